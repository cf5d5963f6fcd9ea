/** `--exec`: runs a program after each stored file or directory. No shell is involved, so no shell sees text from a peer. */
import { type ChildProcess, spawn } from 'node:child_process'
import { interruption, TransferError } from '../errors.js'
import type { StoredEvent } from '../events.js'
import { printableJson } from '../text.js'
import { usage } from './values.js'

/**
 * Splits a command at spaces; single or double quotes keep words together. Nothing is expanded, and no facts about a
 * file are inserted. Throws a usage error for a quote without its counterpart.
 */
export function splitCommand(text: string): string[] {
  if (/['"]/.test(text.replace(/'[^']*'|"[^"]*"/g, ''))) throw usage('--exec has an unmatched quote')
  const words = text.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? []
  return words.map((word) => word.replace(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double))
}

/** The environment variables that describe the stored file or directory to the program. */
function environmentOf(event: StoredEvent): Record<string, string> {
  const { path, name, size, blake3, type, peer, verified, files, key } = event
  return {
    TCP_TRANSFER_PATH: path,
    TCP_TRANSFER_NAME: name,
    TCP_TRANSFER_SIZE: String(size),
    TCP_TRANSFER_BLAKE3: blake3,
    TCP_TRANSFER_TYPE: type,
    TCP_TRANSFER_PEER: peer,
    TCP_TRANSFER_VERIFIED: String(verified),
    ...(files === undefined ? {} : { TCP_TRANSFER_FILES: String(files) }),
    ...(key === undefined ? {} : { TCP_TRANSFER_KEY_NAME: key }),
  }
}

/**
 * Returns a function that runs `command` for a stored file. The program gets the event as JSON on standard input, and
 * its output goes to stderr. The promise rejects with a `hook` error if the program cannot be started or does not exit
 * with 0.
 *
 * When `signal` is aborted, the program is sent SIGTERM and waited for. The promise then rejects with the interruption,
 * even if the program exits with 0: a program that only cleaned up has not done its work.
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
      // A program that is started and stopped at once could do half of its work.
      if (signal.aborted) return failed('was not run')
      // `stdin` may be missing if the program could not be started, although its type says otherwise.
      const child: ChildProcess = spawn(program, args, {
        stdio: ['pipe', process.stderr, process.stderr],
        env: { ...process.env, ...environmentOf(event) },
      })
      const stop = () => void child.kill('SIGTERM')
      signal.addEventListener('abort', stop)
      child.once('error', (error) => failed(`could not be run: ${error.message}`))
      child.once('close', (code, killed) => {
        signal.removeEventListener('abort', stop)
        if (code === 0 && !signal.aborted) resolve()
        else failed(code === null ? `was ended by ${killed}` : `ended with exit status ${code}`)
      })
      // The program need not read its input, so a broken pipe is no error.
      child.stdin?.on('error', () => {})
      child.stdin?.end(`${printableJson(event)}\n`)
    })
}
