/** Options that there are not: what was meant by each, with the real tables of both commands. */
import t from 'tap'
import { chatCommandLine } from '../../dist/cli/chat-command-line.js'
import type { CommandLine } from '../../dist/cli/command-line.js'
import { receiveCommandLine } from '../../dist/cli/receive-command-line.js'
import { sendCommandLine } from '../../dist/cli/send-command-line.js'
import { suggestion } from '../../dist/cli/suggestions.js'

const of = ({ command, options }: CommandLine, typed: string) => suggestion(command, Object.keys(options), typed)

t.test('finds the option behind a slip, a part of its name or another way to write it', async (t) => {
  const table: [typed: string, meant: string][] = [
    ['--prot', '--port'],
    ['--potr', '--port'],
    ['--por', '--port'],
    ['--portt', '--port'],
    ['--hort', '--port or --host'],
    ['--recipt', '--receipt'],
    ['--once-', '--once'],
    ['--maxSize', '--max-size'],
    ['--max_size', '--max-size'],
    ['--IF-EXISTS', '--if-exists'],
    ['--max', '--max-size, --max-files, --max-depth, --max-connections or --max-per-peer'],
    ['--blake3', '--expect-blake3'],
    ['--exp', '--expect-size or --expect-blake3'],
  ]
  for (const [typed, meant] of table) t.equal(of(receiveCommandLine, typed), `; did you mean ${meant}?`, typed)
})

t.test('knows the words of other programs', async (t) => {
  const table: [typed: string, sending: string, receiving: string][] = [
    ['-P', '; did you mean --port?', '; did you mean --port?'],
    ['--silent', '; did you mean --quiet?', '; did you mean --quiet?'],
    ['--max-time', '; did you mean --timeout?', '; did you mean --timeout?'],
    ['-l', '; did you mean --listen?', '; tcp-recv listens unless --connect is given'],
    ['--output', '; that is for the receiver: tcp-recv --port 9000 --out dir', '; did you mean --out?'],
    ['--force', '', '; did you mean --if-exists overwrite?'],
    [
      '--ssl',
      ...(Array(2).fill('; --code encrypts one transfer, --key-file FILE all; tcp-recv --generate-key makes a key') as [
        string,
        string,
      ]),
    ],
  ]
  for (const [typed, sending, receiving] of table) {
    t.equal(of(sendCommandLine, typed), sending, typed)
    t.equal(of(receiveCommandLine, typed), receiving, typed)
  }
  t.match(of(sendCommandLine, '-r'), /^; a directory needs no option: tcp-send dir host 9000/)
})

t.test('has nothing to say of what is like no option', async (t) => {
  for (const typed of ['--frobnicate', '-y', '--', '--=', '--q', '--name-of-the-thing', '--constructor', '--y']) {
    t.equal(of(sendCommandLine, typed), '', typed)
  }
})

t.test('names no option that the command has not', async (t) => {
  for (const line of [sendCommandLine, receiveCommandLine, chatCommandLine]) {
    for (const typed of 's O P b w l m filename e type f n dest retry run'.split(' ')) {
      const [, option] = /did you mean --([a-z-]+)/.exec(of(line, `--${typed}`)) ?? []
      t.ok(option === undefined || Object.hasOwn(line.options, option), `${line.command}: ${typed}`)
    }
  }
})
