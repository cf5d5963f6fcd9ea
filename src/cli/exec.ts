/** `--exec`: a program that is run after each stored file. No shell sees anything that a peer said. */
import { type ChildProcess, spawn } from 'node:child_process'
import { interruption, TransferError } from '../errors.js'
import type { StoredEvent } from '../events.js'
import { printableJson } from '../text.js'
import { usage } from './values.js'

/**
 * The words of a command line: separated by spaces, kept together by single or double quotes. Nothing is expanded, and
 * nothing that is known of a file is ever put into it.
 */
export function splitCommand(text: string): string[] {
  if (/['"]/.test(text.replace(/'[^']*'|"[^"]*"/g, ''))) throw usage('--exec has a quote without its other half')
  const words = text.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? []
  return words.map((word) => word.replace(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double))
}

/** The facts of a stored file in the environment of the program; the whole event is on its standard input as JSON. */
function facts({ path, name, size, blake3, type, peer, verified }: StoredEvent): Record<string, string> {
  return {
    TCP_TRANSFER_PATH: path,
    TCP_TRANSFER_NAME: name,
    TCP_TRANSFER_SIZE: String(size),
    TCP_TRANSFER_BLAKE3: blake3,
    TCP_TRANSFER_TYPE: type,
    TCP_TRANSFER_PEER: peer,
    TCP_TRANSFER_VERIFIED: String(verified),
  }
}

/**
 * Runs `command` for a file; rejects if it cannot be started or does not end with 0. Its output goes to our stderr. When
 * `signal` is aborted the program is asked to end (SIGTERM) and waited for. The interruption is what is told then, however
 * the program ends: one that cleans up and exits with 0 has not done its work.
 */
export function createExecHook(command: string, signal: AbortSignal): (event: StoredEvent) => Promise<void> {
  const [program = '', ...args] = splitCommand(command)
  return (event) =>
    new Promise((resolve, reject) => {
      const failed = (how: string) => {
        const text = `--exec ${program} ${how}`
        if (!signal.aborted) return reject(new TransferError('hook', text))
        const error = interruption(signal)
        reject(error.withMessage(`${error.message}; ${text}`))
      }
      // A program that is started to be stopped at once could do half of its work.
      if (signal.aborted) return failed('was not run')
      // A program that could not be started may have no standard input, whatever the types say.
      const child: ChildProcess = spawn(program, args, {
        stdio: ['pipe', process.stderr, process.stderr],
        env: { ...process.env, ...facts(event) },
      })
      const stop = () => void child.kill('SIGTERM')
      signal.addEventListener('abort', stop)
      child.once('error', (error) => failed(`could not be run: ${error.message}`))
      child.once('close', (code, killed) => {
        signal.removeEventListener('abort', stop)
        if (code === 0 && !signal.aborted) resolve()
        else failed(code === null ? `was ended by ${killed}` : `ended with exit status ${code}`)
      })
      // It need not read what it is given.
      child.stdin?.on('error', () => {})
      child.stdin?.end(`${printableJson(event)}\n`)
    })
}
