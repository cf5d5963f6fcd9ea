/** One process of a run over the programs: one batch after the other, each in a folder of its own. */
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { send } from '../../dist/index.js'
import { memoryInUse } from '../fixtures/memory.ts'
import { listenAsPeer } from '../fixtures/peer.ts'
import { receiverOpening } from '../fixtures/peer-frames.ts'
import type { Batch, Place } from './batch.ts'
import { randomBatch } from './batches.ts'
import { shorten } from './minimise.ts'
import { tryPythonReceiver, tryPythonSender } from './python.ts'
import { Random } from './random.ts'
import { tryReceiveCommand, tryReceiver } from './receivers.ts'
import { makeSources, rightAnswers, sourceSets, tryBoth, trySender } from './senders.ts'

/** What a worker tells. */
export type Told =
  | { what: 'batch'; batch: Batch }
  | { what: 'problems'; problems: string[]; batch: Batch }
  | { what: 'done'; batches: number; sessions: number; kinds: Record<string, number> }

const tell = (told: Told) => process.send?.(told)

/** In memory where that is possible: a flush to a disk takes longer than everything else. */
function temporaryFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK)
    return '/dev/shm'
  } catch {
    return tmpdir()
  }
}

/** Faults that no call has reported. */
const stray: string[] = []
process.on('unhandledRejection', (error) => stray.push(`unhandled rejection: ${error}`))
process.on('uncaughtException', (error) =>
  stray.push(`uncaught exception: ${error.stack?.split('\n').slice(0, 2).join(' ')}`),
)
process.on('warning', (warning) => stray.push(`warning: ${warning.message}`))

async function inPlace<T>(work: (place: Place) => Promise<T>): Promise<T> {
  const root = join(mkdtempSync(join(temporaryFolder(), 'tcp-fuzz-')), 'place')
  mkdirSync(root)
  const works: (() => void)[] = []
  try {
    return await work({ root, teardown: (one) => void works.push(one) })
  } finally {
    for (const one of works.reverse()) one()
    rmSync(join(root, '..'), { recursive: true, force: true })
  }
}

const runs: Record<string, (batch: Batch, place: Place) => Promise<string[]>> = {
  'receiver-command': tryReceiveCommand,
  'python-receiver': tryPythonReceiver,
  'python-sender': tryPythonSender,
  sender: trySender,
  'sender-listens': trySender,
  both: tryBoth,
}

/** What is wrong after a batch. */
export async function tryBatch(batch: Batch): Promise<string[]> {
  const problems = await inPlace((place) => (runs[batch.kind] ?? tryReceiver)(batch, place)).catch((error) => [
    `${error instanceof Error ? error.stack?.split('\n').slice(0, 2).join(' ') : error}`,
  ])
  return [...new Set([...problems, ...stray.splice(0)])].map((problem) => `${batch.kind}: ${problem}`)
}

/** What a good receiver says to each number of sources. */
async function allRightAnswers(): Promise<Buffer[]> {
  const all: Buffer[] = []
  for (let number = 0; number < sourceSets; number++) {
    await inPlace(async (place) => {
      const { port } = await listenAsPeer(place as never, async (peer) => {
        await peer.write(receiverOpening.subarray(0, 8), greeting)
        await peer.ended
        all.push(rightAnswers(peer.received, false), rightAnswers(peer.received, true))
        peer.finish()
      })
      await send({ host: '127.0.0.1', port, sources: makeSources(place.root, number) }).catch(() => {})
    })
  }
  return all
}

const fields = '{"version":1,"features":["directories"]}'
const greeting = Buffer.concat([Buffer.from([0x47, 0, 0, 0, fields.length]), Buffer.from(fields)])

/** A batch with fewer sessions that fails in the same way. */
async function smaller(batch: Batch, problem: string): Promise<Batch> {
  const fails = async (sessions: Batch['sessions']) => (await tryBatch({ ...batch, sessions })).includes(problem)
  return { ...batch, sessions: await shorten(batch.sessions, fails) }
}

async function level(): Promise<{ descriptors: number; memory: number }> {
  return { descriptors: readdirSync('/proc/self/fd').length, memory: await memoryInUse() }
}

/** This many batches warm up what stays; after as many again, nothing more may have stayed. */
const WARM = 100

async function work(seed: number, minutes: number, only?: string): Promise<void> {
  const right = await allRightAnswers()
  const end = performance.now() + 60_000 * minutes
  let [batches, sessions] = [0, 0]
  const kinds: Record<string, number> = {}
  let base: Awaited<ReturnType<typeof level>> | null = null
  const seen = new Set<string>()
  while (performance.now() < end) {
    const batch = randomBatch(seed + batches, new Random(seed + batches), right, only)
    tell({ what: 'batch', batch })
    const problems = (await tryBatch(batch)).filter((problem) => !seen.has(problem))
    for (const problem of problems) seen.add(problem)
    const [first] = problems
    if (first)
      tell({ what: 'problems', problems, batch: first.includes('hangs') ? batch : await smaller(batch, first) })
    batches++
    sessions += batch.sessions.length
    kinds[batch.kind] = (kinds[batch.kind] ?? 0) + 1
    if (batches % WARM !== 0) continue
    const now = await level()
    base ??= now
    const grown: string[] = []
    if (now.descriptors > base.descriptors + 3)
      grown.push(`descriptors stay open: ${readdirSync('/proc/self/fd').length}`)
    if (now.memory > base.memory + 64e6) grown.push('memory stays in use')
    if (grown.length > 0 && !seen.has('grown')) tell({ what: 'problems', problems: grown, batch })
    if (grown.length > 0) seen.add('grown')
  }
  tell({ what: 'done', batches, sessions, kinds })
}

const [seed = '1', minutes = '1', only] = process.argv.slice(2)
if (minutes === 'again') {
  const batch = JSON.parse(readFileSync(seed, 'utf8')).batch as Batch
  tell({ what: 'problems', problems: await tryBatch(batch), batch })
} else await work(Number(seed), Number(minutes), only)
process.disconnect?.()
