/** What is in the folders of a transfer, and what a process has open. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { makeTree, tellTree } from '../fixtures/tree.ts'
import type { Expected } from './judge.ts'
import type { Stage } from './stage.ts'

export function withoutStaging(told: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(told).filter(([path]) => path !== '.' && !path.startsWith('.tcp-recv')))
}

/** What the receiver's folder tells before and after the transfer. */
export function toldOf({ folder, transfer }: Stage): Expected {
  const { before = {}, after } = transfer
  const [one, other] = [`${folder}/before`, `${folder}/after`]
  const tell = (folder: string) => withoutStaging(tellTree(folder, { contentOnly: true }))
  return { before: tell(makeTree(one, before)), after: tell(makeTree(other, after)) }
}

/** What is in the folders of receivers in the staging folder. */
export function stagedIn(out: string): string[] {
  const all = namesBelow(join(out, '.tcp-recv'))
  return all.filter((path) => path.includes('/') && !path.startsWith('kept/'))
}

function namesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
  } catch {
    // It is not there.
    return []
  }
}

/** What is wrong with the staging folder after a start: it may hold what was kept, and that only if it is whole. */
export function judgeStaging({ out, source }: Stage): string[] {
  const staging = join(out, '.tcp-recv')
  const names = namesBelow(staging).filter((path) => !/^kept(?:\/|$)/.test(path))
  return [...names.map((name) => `left in staging: ${name}`), ...judgeKept({ out, source })]
}

/** What is wrong with what was kept: every file there is one that was sent, or the beginning of one. */
export function judgeKept({ out, source }: Pick<Stage, 'out' | 'source'>): string[] {
  const kept = join(out, '.tcp-recv', 'kept')
  return namesBelow(kept).flatMap((path) => {
    const [id = '', content, ...inner] = path.split('/')
    const place = join(kept, path)
    if (content !== 'content' || !lstatSync(place).isFile()) return []
    const { name } = JSON.parse(readFileSync(join(kept, id, 'about'), 'utf8')) as { name: string }
    const bytes = readFileSync(place)
    const sent = readFileSync(join(source, name, ...inner))
    return sent.subarray(0, bytes.length).equals(bytes) ? [] : [`kept: ${path} is not what was sent`]
  })
}

/** What a process has open, less its runtime's own. */
export function openIn(pid: number): string[] {
  const open: string[] = []
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`)
      // libuv keeps one descriptor in reserve, and after EMFILE that is another one.
      open.push(target === '/dev/null' ? '/' : target.replace(/:\[\d+\]$/, ''))
    } catch {
      // It has just been closed.
    }
  }
  return open.sort()
}
