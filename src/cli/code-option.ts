/**
 * `--code`. The side that listens makes the code. The other side takes it from its argument, which other users of the
 * machine can see while the command runs, or asks for it.
 */
import { createInterface } from 'node:readline'
import { CODE_WORDS, completions, isCodeWord, parseCode } from '../codes.js'
import { asTransferError, interruption } from '../errors.js'
import type { Arguments } from './arguments.js'
import type { Context } from './run.js'
import { usage } from './values.js'

/** The value of the option `code`: true for a side that listens, the words otherwise. Throws a usage error. */
export async function readCode(args: Arguments, { key, signal }: Context, listens: boolean): Promise<true | string> {
  if (args.flag('plain')) throw usage('--plain encrypts nothing, so --code does not go with it')
  const other = args.flag('key-file') ? '--key-file' : key !== undefined ? 'TCP_TRANSFER_KEY' : null
  if (other !== null) throw usage(`--code is in place of a key, so ${other} does not go with it`)
  const words = args.text('code')
  const unquoted = findUnquoted(args.positionals)
  if (unquoted !== null)
    throw usage(`the words of --code are one argument, joined with dashes: --code ${unquoted.join('-')}`)
  if (listens) {
    if (words !== undefined) throw usage('a side that listens makes its own code; type --code alone')
    if (args.text('count') === '0') throw usage('a code is for a number of transfers, so --count 0 does not go with it')
    return true
  }
  if (words === '') throw usage('--code is empty')
  if (words === undefined) return await ask(args, signal)
  parseCode(words)
  return words
}

/** The words of a code that were typed as arguments of their own. */
function findUnquoted(words: readonly string[]): string[] | null {
  const start = words.findIndex((_, at) => words.slice(at, at + CODE_WORDS).filter(isCodeWord).length === CODE_WORDS)
  return start < 0 ? null : words.slice(start, start + CODE_WORDS)
}

/** Asks for the code on the terminal until it can be one. Tab completes a word. */
function ask(args: Arguments, signal: AbortSignal): Promise<string> {
  const { stdin: input, stderr: output } = process
  const isInput = args.positionals.includes('-') || args.text('text') === '-'
  if (isInput || !input.isTTY || !output.isTTY)
    throw usage(
      `--code needs the four words, ${isInput ? 'as standard input is sent' : 'as no terminal can ask for them'}: --code WORDS`,
    )
  const prompt = createInterface({ input, output, completer: complete })
  return new Promise<string>((resolve, reject) => {
    const interrupt = () => {
      reject(interruption(signal))
      prompt.close()
    }
    signal.addEventListener('abort', interrupt)
    // On a terminal that readline has taken over, Ctrl-C sends no signal.
    prompt.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    prompt.on('close', () => {
      signal.removeEventListener('abort', interrupt)
      reject(usage('no code was typed'))
    })
    prompt.on('line', (text) => {
      try {
        if (text.trim() !== '') {
          parseCode(text)
          resolve(text)
          return prompt.close()
        }
      } catch (error) {
        output.write(`${asTransferError(error).message}\n`)
      }
      prompt.prompt()
    })
    prompt.setPrompt('code: ')
    prompt.prompt()
  })
}

/** What readline needs to complete the last word. */
function complete(line: string): [string[], string] {
  const words = line.split(/[\s,-]+/)
  const end = words.length < CODE_WORDS ? ' ' : ''
  return [completions(line).map((word) => `${word}${end}`), String(words.at(-1))]
}
