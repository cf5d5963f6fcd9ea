/** What both commands do around their work: signals, errors to text, and the exit status. */
import { asTransferError, type ErrorCode, exitCodes, TransferError } from '../errors.js'
import { wasReported } from '../events.js'

export interface Context {
  /** Aborted by SIGINT, SIGTERM, SIGHUP and `abort`, with the TransferError that says which. */
  signal: AbortSignal
  abort(error: Error): void
}

const signals: Record<string, ErrorCode> = { SIGINT: 'interrupted', SIGTERM: 'terminated', SIGHUP: 'hung-up' }

/** Nobody is left to be told when stderr is gone; the exit status tells all the same. */
const ignore = () => {}

/** Runs a command to its exit status. `main` reports its failures as events and throws them; what had no event is printed here. */
export async function run(command: string, main: (context: Context) => Promise<void>): Promise<number> {
  const controller = new AbortController()
  const abort = (error: Error) => controller.abort(error)
  const handlers = Object.entries(signals).map(([name, code]) => {
    const handler = () => {
      // Who asks twice does not want to wait for a clean end. A closed terminal asks for itself, and its shell again.
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
      process.stderr.write(lastWords(command, error))
      return error.exitCode
    },
  )
  for (const { name, handler } of handlers) process.off(name, handler)
  return status
}

/** What an error still needs to be told: what is wrong with the command line, how to report a bug, or itself if it had no event. */
function lastWords(command: string, error: TransferError): string {
  if (error.code === 'usage') return `${command}: ${error.message}\n`
  const itself = wasReported(error) ? '' : `${command}: failed: ${error.message}\n`
  if (error.code !== 'internal') return itself
  const stack = error.cause instanceof Error ? error.cause.stack : error.stack
  return `${itself}this is a bug; please report it with these lines:\n${stack}\n`
}
