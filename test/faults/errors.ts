/** Every call of a transfer fails once, in turn, on either side. */
import { setTimeout as sleep } from 'node:timers/promises'
import { judgeKept, judgeStaging, openIn, toldOf } from './folders.ts'
import { type Expected, type Fault, judge } from './judge.ts'
import { type Result, type Side, Stage } from './stage.ts'
import { type Call, kindOf } from './strace.ts'
import type { Tally } from './tally.ts'
import { isSingle, type Transfer } from './transfers.ts'

const create = ['EIO', 'ENOSPC', 'EDQUOT', 'EACCES']

/** The errors of each call of a file; of any other: EIO and EACCES. */
const ofFiles: Record<string, readonly string[]> = {
  openat: ['EIO', 'ENOSPC', 'EMFILE', 'EACCES'],
  ...{ mkdir: create, symlink: create, link: create, rename: create },
  ...{ write: ['EIO', 'ENOSPC', 'EDQUOT', 'EINTR'], pwrite64: ['EIO', 'ENOSPC', 'EDQUOT', 'EINTR'] },
  ...{ fsync: ['EIO', 'ENOSPC', 'EDQUOT', 'EINTR'], close: ['EIO', 'EINTR'] },
  ...{ read: ['EIO', 'EINTR'], pread64: ['EIO', 'EINTR'], getdents64: ['EIO', 'EACCES'] },
}

/** The errors of each call of a socket; of any other: ENOBUFS. */
const ofSockets: Record<string, readonly string[]> = {
  ...{ read: ['ECONNRESET', 'ETIMEDOUT', 'EINTR'], close: ['EIO', 'EINTR'], shutdown: ['ENOTCONN'] },
  ...{ write: ['EPIPE', 'ECONNRESET', 'EINTR', 'ENOBUFS'], writev: ['EPIPE', 'ECONNRESET', 'EINTR', 'ENOBUFS'] },
  ...{ accept4: ['EMFILE', 'ECONNABORTED', 'EINTR'], socket: ['EMFILE', 'EACCES'] },
  connect: ['ECONNREFUSED', 'ENETUNREACH', 'EINTR', 'EMFILE'],
}

const ofOutputs = ['EPIPE', 'EIO', 'ENOSPC', 'EINTR']

function errorsOf({ kind, name }: Call): readonly string[] {
  if (kind === 'output') return ofOutputs
  return kind === 'socket' ? (ofSockets[name] ?? ['ENOBUFS']) : (ofFiles[name] ?? ['EIO', 'EACCES'])
}

/** Calls whose failure may leave something in the staging folder for the next start. */
const mayLeave = /^(?:unlink|rmdir|openat|getdents64|close|access|newfstatat|statx|readlink)/

export async function errors(tally: Tally, transfers: readonly Transfer[]): Promise<void> {
  for (const transfer of transfers) await errorsOfTransfer(transfer, tally, (faults) => tally.chosen(faults))
}

/** @param choose which of the faults are tried */
export async function errorsOfTransfer(
  transfer: Transfer,
  tally: Tally,
  choose: (faults: readonly Fault[]) => Fault[],
): Promise<void> {
  const stage = new Stage(transfer)
  try {
    const told = toldOf(stage)
    for (const side of ['receiver', 'sender'] as const) await oneSide(stage, side, told, tally, choose)
    // Whatever is left in the staging folder, the end of the receiver or the next start removes it.
    await stage.receiver?.kill('SIGTERM')
    tally.add(transfer.title, 'the next start', await stage.nextStart())
  } finally {
    await stage.end()
  }
}

async function oneSide(
  stage: Stage,
  side: Side,
  told: Expected,
  tally: Tally,
  choose: (faults: readonly Fault[]) => Fault[],
): Promise<void> {
  const { transfer } = stage
  const title = `${transfer.title}, ${side}`
  tally.add(title, 'a calm transfer', judge(transfer, await stage.run(), told))
  const { calls: all, result } = await stage.record(side)
  tally.add(title, 'a recorded transfer', judge(transfer, result, told))
  // What becomes of a lost line is no question of the transfer.
  const calls = all.filter(({ kind }) => kind !== 'output' || (transfer.output && side === 'receiver'))
  const faults = calls.flatMap((call) => errorsOf(call).map((error): Fault => ({ side, call, error })))
  const isOnce = isSingle(transfer)
  let open = isOnce ? [] : openIn(stage.receiver?.child.pid as number)
  for (const fault of choose(faults)) {
    const tried = await inject(stage, fault, told, open)
    tally.add(title, tried.what, tried.problems, tried.outcome)
    if (tried.isClean) continue
    if (!isOnce) await stage.restart()
    await stage.run()
    if (!isOnce) open = openIn(stage.receiver?.child.pid as number)
  }
}

interface Tried {
  what: string
  problems: string[]
  outcome: string
  /** False if the receiver is not as it was before. */
  isClean: boolean
}

/** One transfer during which this call fails. The calls of the runtime come in no fixed order, so it may take some. */
async function inject(stage: Stage, fault: Fault, told: Expected, open: readonly string[], tries = 3): Promise<Tried> {
  const { transfer } = stage
  const { call, error, side } = fault
  const args = [`--trace=${call.name}`, `--inject=${call.name}:error=${error}:when=${call.when}`]
  const result = await stage.run({ side, threads: [call.thread], args })
  const text = result.lines.find((line) => line.includes('(INJECTED)'))?.replace(/^\d+ +/, '')
  const kind = text === undefined ? null : kindOf(text, [stage.folder])
  const what = `${call.thread} ${call.name} #${call.when} ${error}: ${text ?? 'not reached'}`
  const isMeant = kind !== null && (kind !== 'output' || transfer.output !== undefined)
  if (text !== undefined && !isMeant) {
    if (!isSingle(transfer)) await stage.restart()
    if (tries > 1) return await inject(stage, fault, told, open, tries - 1)
    return { what, problems: [], outcome: 'of the runtime', isClean: false }
  }
  const problems = judge(transfer, result, told, kind ? { ...fault, call: { ...call, kind } } : undefined)
  if (isSingle(transfer)) problems.push(...(mayLeave.test(call.name) ? judgeKept(stage) : judgeStaging(stage)))
  else if (result.receiver !== undefined) problems.push(`the listener has ended: ${result.receiver?.stderr}`)
  else problems.push(...(await afterwards(stage, result, call, open)))
  const ends = [result.sender, ...(isSingle(transfer) ? [result.receiver] : [])].map((end) => end?.code)
  const outcome = kind ? `exit ${ends.join(' and ')}` : 'not reached'
  return { what, problems, outcome, isClean: [...problems, ...result.staged].length === 0 && call.name !== 'close' }
}

/** The listener goes on, and has lost no descriptor. */
async function afterwards(stage: Stage, result: Result, call: Call, open: readonly string[]): Promise<string[]> {
  const problems: string[] = []
  if (result.staged.length > 0 && !mayLeave.test(call.name)) problems.push(`left in staging: ${result.staged}`)
  problems.push(...judgeKept(stage))
  if (!(await stage.isAlive())) problems.push('the listener takes no other transfer')
  let now: string[] = []
  for (let turns = 0; turns < 200; turns++) {
    now = openIn(stage.receiver?.child.pid as number)
    if (now.join() === open.join()) return problems
    await sleep(10)
  }
  // strace does not carry out the call that it lets fail.
  const isHeld = call.name === 'close' && now.length === open.length + 1
  const more = (one: readonly string[], other: readonly string[]) => one.filter((name) => !other.includes(name)).join()
  return isHeld
    ? problems
    : [...problems, `open: ${now.length}, ${more(now, open)}; before: ${open.length}, ${more(open, now)}`]
}
