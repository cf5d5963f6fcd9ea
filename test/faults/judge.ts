/** What must hold after a transfer, whatever has happened to it. */
import type { TransferEvent } from '../../dist/events.js'
import type { Result, Side } from './stage.ts'
import type { Call } from './strace.ts'
import type { Transfer } from './transfers.ts'

/** The table of the README, less `internal` and `usage`. */
const codes = [0, 3, 5, 6, 7, 8, 9]

/** A call that writes the first record of a TLS client, as strace shows it. */
const CLIENT_HELLO = /^writev?\(.*"\\26\\3\\1/

/** What a folder holds. */
export type Told = Record<string, string>

/** What a folder tells before a transfer and after it. */
export interface Expected {
  before: Told
  after: Told
}

/** A call that failed, and how. */
export interface Fault {
  side: Side
  call: Call
  error: string
}

/** Under every final name is what was there or what was sent, whole. */
export function judgeFolder(transfer: Transfer, there: Told, before: Told, after: Told): string[] {
  const problems: string[] = []
  for (const [path, what] of Object.entries(there)) {
    if (what !== before[path] && what !== after[path])
      problems.push(`${path} is neither the old nor the new one: ${what}`)
  }
  for (const path of Object.keys(before)) if (!(path in there)) problems.push(`${path} is gone`)
  if (transfer.isMerged) return problems
  const isNew = (path: string) => after[path] !== before[path]
  for (const top of new Set(Object.keys(after).filter(isNew).map(topOf))) {
    const paths = Object.keys(after).filter((path) => topOf(path) === top)
    const have = paths.filter((path) => there[path] === after[path])
    if (have.length > 0 && have.length < paths.length && before[top] === undefined) problems.push(`${top} is not whole`)
  }
  return problems
}

export function topOf(path: string): string {
  return path.split('/')[0] as string
}

/** True if everything that was sent is there. */
export function isStored(transfer: Transfer, result: Pick<Result, 'there' | 'output'>, after: Told): boolean {
  if (transfer.output) return result.output.equals(transfer.output)
  return Object.entries(after).every(([path, what]) => result.there[path] === what)
}

/** The failures that the receiver has reported. */
export function failuresIn(events: readonly TransferEvent[]): { code: string; reason: string; message: string }[] {
  return events.flatMap((event) => (event.event === 'failed' || event.event === 'refused' ? [event] : []))
}

/** The entries that have begun and of which the receiver has not told the end. */
function unanswered(events: readonly TransferEvent[]): string[] {
  const begun = events.flatMap((event) => (event.event === 'progress' ? [event.name] : []))
  const ends = events.flatMap((event) =>
    event.event === 'stored' || event.event === 'failed' || event.event === 'refused' ? [event.name] : [],
  )
  return [...new Set(begun)].filter((name) => !ends.includes(name))
}

export function judge(transfer: Transfer, result: Result, told: Expected, fault?: Fault): string[] {
  const { sender, receiver, events, there } = result
  const problems = transfer.output ? [] : judgeFolder(transfer, there, told.before, told.after)
  if (!sender) problems.push('the sender hangs')
  if (receiver === null) problems.push('the receiver hangs')
  const stored = isStored(transfer, result, told.after)
  // Where strace fails the first message of TLS, the connection goes on without it, until the listener tires of waiting
  // and says in plain text that it wants a key.
  const isMute = fault?.call.kind === 'socket' && CLIENT_HELLO.test(fault.call.text)
  if (sender && !codes.includes(sender.code ?? -1) && !(isMute && sender.code === 4))
    problems.push(`the sender ends with ${sender.code ?? sender.signal}: ${sender.stderr}`)
  if (sender?.code === 0 && !stored) problems.push('the sender says that it is stored')
  if (receiver && !codes.includes(receiver.code ?? -1)) {
    problems.push(`the receiver ends with ${receiver.code ?? receiver.signal}: ${receiver.stderr}`)
  }
  if (receiver?.code === 0 && !stored) problems.push('the receiver ends with 0')
  const names = events.flatMap((event) =>
    event.event === 'stored' && event.directory === undefined ? [event.path] : [],
  )
  for (const path of transfer.output ? [] : names) {
    if (!Object.keys(there).some((one) => path.endsWith(`/${topOf(one)}`)))
      problems.push(`${path} was said to be stored`)
  }
  const failures = failuresIn(events)
  for (const { code, message } of failures) if (code === 'internal') problems.push(`a bug: ${message}`)
  for (const name of unanswered(events)) problems.push(`the receiver says nothing of what has become of ${name}`)
  return [...problems, ...(fault ? judgeFault(result, fault, failures) : judgeCalm(result))]
}

/** Nothing has happened to it. */
function judgeCalm({ sender, receiver }: Result): string[] {
  return Object.entries({ sender, receiver }).flatMap(([side, outcome]) =>
    outcome && outcome.code !== 0
      ? [`it fails although no call did: the ${side} ends with ${outcome.code}: ${outcome.stderr}`]
      : [],
  )
}

/** What follows from a file's call that failed: whose exit status it is, and what the other side hears. */
function judgeFault(
  { sender, receiver, events }: Result,
  { side, call, error }: Fault,
  failures: { reason: string }[],
): string[] {
  if (call.kind === 'socket' || sender?.code === 0) {
    const isLost = call.name === 'fsync' && error !== 'EINTR' && sender?.code === 0
    return isLost ? ['it was stored without a flush'] : []
  }
  if (side === 'receiver') {
    // Of a receiver that fails before it dials, a sender hears nothing.
    const heard = events.some(({ event }) => event === 'connected') ? 5 : 9
    const problems =
      sender?.code === heard
        ? []
        : [`the sender of a receiver with a bad disk ends with ${sender?.code}: ${sender?.stderr}`]
    if (receiver && receiver.code !== 8)
      problems.push(`a receiver with a bad disk ends with ${receiver.code}: ${receiver.stderr}`)
    return problems
  }
  const problems = sender?.code === 8 ? [] : [`a sender with a bad disk ends with ${sender?.code}: ${sender?.stderr}`]
  // Of a file that could not be opened it hears nothing.
  const isBegun = events.some(({ event }) => event === 'progress')
  const isStored = unanswered(events).length === 0 && failures.length === 0
  if (isBegun && !isStored && !failures.some(({ reason }) => !['broken', 'timeout'].includes(reason))) {
    problems.push(`the receiver was not told why: ${JSON.stringify(failures)}`)
  }
  return problems
}
