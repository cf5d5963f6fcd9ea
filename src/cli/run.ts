/** Runs a command as a process: signals, the text of errors, and the exit status. */
import { asTransferError, type ErrorCode, exitCodes, TransferError } from '../errors.js'

export interface Context {
  /** Aborted by SIGINT, SIGTERM, SIGHUP and `abort`. The reason is the TransferError to exit with. */
  signal: AbortSignal
  /** Ends the transfer with this error. */
  abort(error: Error): void
  /** The text of the environment variable that holds a key. Undefined if it is not set. */
  key?: string | undefined
  /** What the first SIGTERM does in place of aborting. Default: it aborts. */
  drain?: (() => void) | undefined
}

const signals: Record<string, ErrorCode> = { SIGINT: 'interrupted', SIGTERM: 'terminated', SIGHUP: 'hung-up' }

/** If stderr is gone, no one can be told. The exit status still says what happened. */
const ignore = () => {}

/**
 * Runs `main` and returns the exit status of the command. `main` returns a failure that it has reported as an event, or
 * null. What it throws is printed here. The first signal aborts the context; a second SIGINT or SIGTERM exits at once.
 */
export async function run(command: string, main: (context: Context) => Promise<TransferError | null>): Promise<number> {
  const controller = new AbortController()
  const abort = (error: Error) => controller.abort(error)
  const context: Context = { signal: controller.signal, abort }
  const handlers = Object.entries(signals).map(([name, code]) => {
    const handler = () => {
      const { drain } = context
      if (name === 'SIGTERM' && drain) {
        context.drain = undefined
        return drain()
      }
      // A second signal means not to wait for a clean end, except SIGHUP: when a terminal closes, both the terminal and
      // its shell send it.
      if (controller.signal.aborted && name !== 'SIGHUP') process.exit(exitCodes[code])
      const what = code.replace('-', ' ')
      abort(
        new TransferError(code, `${what} by ${name}`, { reason: 'interrupted', peerMessage: `${command} was ${what}` }),
      )
    }
    process.on(name, handler)
    return { name, handler }
  })
  process.stderr.off('error', ignore).on('error', ignore)
  const status = await main(context).then(
    (failure) => {
      if (failure) process.stderr.write(bugReport(failure))
      return failure?.exitCode ?? 0
    },
    (thrown) => {
      const error = asTransferError(thrown)
      const how = error.code === 'usage' ? '' : 'failed: '
      process.stderr.write(`${command}: ${how}${error.message}\n${bugReport(error)}`)
      return error.exitCode
    },
  )
  for (const { name, handler } of handlers) process.off(name, handler)
  return status
}

/** For a bug, the request to report it. */
function bugReport(error: TransferError): string {
  if (error.code !== 'internal') return ''
  const stack = error.cause instanceof Error ? error.cause.stack : error.stack
  return `this is a bug; please report it with these lines:\n${stack}\n`
}
