/** Every read and write is short, on both sides: nobody may notice. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { toldOf } from './folders.ts'
import { judge } from './judge.ts'
import { Stage } from './stage.ts'
import type { Tally } from './tally.ts'
import type { Transfer } from './transfers.ts'

export async function short(tally: Tally, transfers: readonly Transfer[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tcp-short-'))
  try {
    const library = join(folder, 'short.so')
    const source = fileURLToPath(new URL('short.c', import.meta.url))
    const { error, status, stderr } = spawnSync('gcc', ['-shared', '-fPIC', '-o', library, source], {
      encoding: 'utf8',
    })
    if (error) return console.log('short reads and writes are left out: gcc is not installed')
    if (status !== 0) throw new Error(stderr)
    for (const transfer of transfers) {
      const stage = new Stage(transfer, { env: { LD_PRELOAD: library, SHORT_IN: join(tmpdir(), 'tcp-faults-') } })
      try {
        const result = await stage.run()
        const problems = judge(transfer, result, toldOf(stage))
        tally.add(`${transfer.title}, short reads and writes`, 'all', problems, `exit ${result.sender?.code}`)
      } finally {
        await stage.end()
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
