/** Runs a command as a process: signals, the text of errors, and the exit status. */
import { asTransferError, type ErrorCode, exitCodes, TransferError } from '../errors.js'
import { wasReported } from '../events.js'

export interface Context {
  /** Aborted by SIGINT, SIGTERM, SIGHUP and `abort`. The reason is the TransferError to exit with. */
  signal: AbortSignal
  /** Ends the transfer with this error. */
  abort(error: Error): void
}

const signals: Record<string, ErrorCode> = { SIGINT: 'interrupted', SIGTERM: 'terminated', SIGHUP: 'hung-up' }

/** If stderr is gone, no one can be told. The exit status still says what happened. */
const ignore = () => {}

/**
 * Runs `main` and returns the exit status of the command. `main` throws its failures. Those that it has not reported as
 * events are printed here. The first signal aborts the context; a second SIGINT or SIGTERM exits at once.
 */
export async function run(command: string, main: (context: Context) => Promise<void>): Promise<number> {
  const controller = new AbortController()
  const abort = (error: Error) => controller.abort(error)
  const handlers = Object.entries(signals).map(([name, code]) => {
    const handler = () => {
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
  const status = await main({ signal: controller.signal, abort }).then(
    () => 0,
    (thrown) => {
      const error = asTransferError(thrown)
      process.stderr.write(finalMessage(command, error))
      return error.exitCode
    },
  )
  for (const { name, handler } of handlers) process.off(name, handler)
  return status
}

/**
 * The text that remains to be printed for an error: the message of a usage error, the message of an error without an
 * event, and for a bug the request to report it.
 */
function finalMessage(command: string, error: TransferError): string {
  if (error.code === 'usage') return `${command}: ${error.message}\n`
  const itself = wasReported(error) ? '' : `${command}: failed: ${error.message}\n`
  if (error.code !== 'internal') return itself
  const stack = error.cause instanceof Error ? error.cause.stack : error.stack
  return `${itself}this is a bug; please report it with these lines:\n${stack}\n`
}
