/** A batch: one call of the library or one command, and the peers that it meets. All of it is data, so it can be kept. */
import type { ReceiveOptions, SendOptions, TransferEvent } from '../../dist/index.js'

export interface Session {
  /** What the peer says, as Base64. */
  said: string
  /** Where it pauses, in bytes. */
  cuts: number[]
  /** How it ends: properly, with a reset, or by saying nothing more. */
  how: 'finish' | 'reset' | 'stall'
}

/** Options without functions, signals and places. */
export type PlainReceive = Partial<Omit<ReceiveOptions, 'port' | 'out' | 'signal' | 'onEvent' | 'afterStored'>>
export type PlainSend = Partial<Omit<SendOptions, 'port' | 'sources' | 'signal' | 'onEvent'>>

export interface Batch {
  kind: string
  seed: number
  receive?: PlainReceive
  send?: PlainSend
  /** The number of the sources that are sent. */
  sources?: number
  /** The library is interrupted in the middle. */
  isInterrupted?: boolean
  sessions: Session[]
}

/** A place for a batch. Everything in it is removed afterwards. */
export interface Place {
  root: string
  /** As `t` of tap: for the fixtures. */
  teardown(work: () => void): void
}

export function saidOf({ said }: Session): Buffer {
  return Buffer.from(said, 'base64')
}

const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u

/** What is wrong with the events and the outcome of a call, whatever happened in it. */
export function callProblems(events: readonly TransferEvent[], error: unknown): string[] {
  const problems: string[] = []
  if (error !== null && (error as Error).name !== 'TransferError') problems.push(`ends with ${error}`)
  if ((error as { code?: string } | null)?.code === 'internal') problems.push(`internal: ${(error as Error).message}`)
  for (const event of events) {
    if ('message' in event && unprintable.test(event.message)) problems.push('a message holds a control character')
    if ('reason' in event && event.reason === 'internal') problems.push(`internal: ${event.message}`)
    if ('code' in event && event.code === 'internal') problems.push(`internal: ${event.message}`)
  }
  const count = (name: string) => events.filter(({ event }) => event === name).length
  if (count('connected') !== count('ended')) problems.push('not as many events ended as connected')
  if (count('done') !== 1 || events.at(-1)?.event !== 'done') problems.push('the last event is not done')
  const done = events.at(-1)
  if (done?.event === 'done' && (done.exitCode === 0) !== (error === null))
    problems.push('the exit code is not that of the outcome')
  return problems
}

/** `work`, unless it takes so long that it hangs. */
export async function within<T>(what: string, work: Promise<T>, seconds = 20): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`hangs: ${what}`)), 1000 * seconds)
  })
  try {
    return await Promise.race([work, hang])
  } finally {
    clearTimeout(timer)
  }
}
