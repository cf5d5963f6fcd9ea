/** `--code` of the real commands: what is printed, what is typed, and what a terminal asks. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { newCode } from '../../dist/codes.js'
import { AtTerminal, withoutTerminal } from '../fixtures/at-terminal.ts'
import { wrong } from '../fixtures/codes.ts'
import { commandLine, Running, runCommand, sendTo, startChat, startReceiver } from '../fixtures/commands.ts'
import { key } from '../fixtures/keys.ts'

const covered = true

function place(t: Test): { file: string; out: string } {
  const root = t.testdir({ 'file.txt': 'hello' })
  return { file: join(root, 'file.txt'), out: join(root, 'out') }
}

/** The code that a listener has printed. */
async function codeOf(listener: Running): Promise<string> {
  return String((await listener.says('stderr', /: the code for the other side is ([a-z]+(?:-[a-z]+){3})\n/))[1])
}

t.test('a receiver prints its code, however quiet it is, and takes one transfer with it', async (t) => {
  const { file, out } = place(t)
  const portFile = join(t.testdirName, 'port')
  for (const options of [[], ['--quiet'], ['--json']]) {
    const args = ['--code', ...options, '--host', '127.0.0.1', '--port', '0', '--port-file', portFile, '--out', out]
    const receiver = new Running(t, process.execPath, [...commandLine('tcp-recv'), ...args], {})
    const code = await codeOf(receiver)
    if (options[0] === '--json') t.equal((await receiver.says('stdout', /"words":"(.*?)"/))[1], code)
    else t.equal(receiver.stdout, '', 'stdout is for paths')
    const port = readFileSync(portFile, 'utf8').trim()
    const { code: status, stderr } = await sendTo(t, { port }, ['--code', code, '--verbose', file])
    t.equal(status, 0, stderr)
    t.notOk(stderr.includes(code), 'the other side does not show it')
    t.equal((await receiver.done).code, 0)
  }
  t.equal(readFileSync(join(out, 'file_bak2.txt'), 'utf8'), 'hello')
})

t.test('a sender that listens prints it, too, and the receiver may type it in any way', async (t) => {
  const { file, out } = place(t)
  const sender = new Running(
    t,
    process.execPath,
    [...commandLine('tcp-send'), ...['--listen', '--code', '--host', '127.0.0.1', '--port', '0', file]],
    {},
  )
  const [, port] = await sender.says(
    'stderr',
    /listening on 127\.0\.0\.1:(\d+); only a peer with its code can receive\n/,
  )
  const code = await codeOf(sender)
  const typed = `--code=${code.toUpperCase().replaceAll('-', ', ')}`
  const args = ['--connect', '127.0.0.1', '--port', String(port), '--out', out]
  t.match(await runCommand(t, 'tcp-recv', [typed, ...args]), { code: 0 })
  t.match(await sender.done, { code: 0 })
})

t.test('three wrong codes end the receiver with exit 4, and each sender', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, ['--code', '--out', out], { covered })
  const code = wrong(await codeOf(receiver))
  for (let time = 0; time < 3; time++) {
    const { code: status, stderr } = await sendTo(t, receiver, ['--code', code, file])
    t.equal(status, 4)
    t.match(stderr, /the other side has another code, so nothing was sent; compare the words/)
  }
  const { code: status, stderr } = await receiver.done
  t.equal(status, 4)
  t.match(stderr, /failed: the code is burnt: 3 guesses at it were wrong; start again for a new one\n$/)
})

t.test('two talk with a code', async (t) => {
  const listener = await startChat(t, ['--code', '--name', 'bob'], { input: 'pipe' })
  const code = await codeOf(listener)
  const args = ['--code', code, '--name', 'anna', '127.0.0.1', listener.port]
  const dialler = new Running(t, process.execPath, [...commandLine('tcp-chat'), ...args], { input: 'pipe' })
  await dialler.write('hello from anna\n')
  await listener.says('stdout', /hello from anna\n/)
  dialler.end()
  t.equal((await dialler.done).code, 0)
  t.equal((await listener.done).code, 0, 'a code is for one talk')
})

t.test('a talk ends after three wrong codes', async (t) => {
  const listener = await startChat(t, ['--code'], { input: 'pipe' })
  const code = wrong(await codeOf(listener))
  for (let time = 0; time < 3; time++)
    t.match(await runCommand(t, 'tcp-chat', ['--code', code, '127.0.0.1', listener.port]), { code: 4 })
  t.match(await listener.done, { code: 4, stderr: /the code is burnt/ })
  const room = await runCommand(t, 'tcp-chat', ['--code', '--room', '--port', '0'])
  t.match(room, { code: 2, stderr: /a code is for one partner, so it does not go with a room/ })
})

t.test('says what is wrong with a code before it connects', async (t) => {
  const { file } = place(t)
  const code = newCode()
  const words = code.split('-')
  const target = [file, '127.0.0.1', '1']
  const cases: [args: string[], message: RegExp, environment?: object][] = [
    [['--code', ...target], /: --code needs the four words, as no terminal can ask for them: --code WORDS\n$/],
    [['--code', '-', '127.0.0.1', '1', '--name', 'x'], /: --code needs the four words, as standard input is sent: /],
    [['--code', '--text', '-', '127.0.0.1', '1'], /: --code needs the four words, as standard input is sent: /],
    [['--code=', ...target], /: --code is empty\n$/],
    [['--code=one two', ...target], /: a code has 4 words, and not 2\n$/],
    [
      ['--code', `musik ${words.slice(1).join(' ')}`, ...target],
      /: word 1 .* "musik", is none; did you mean music\?\n$/,
    ],
    [['--code', ...words, ...target], /: the words of --code are one argument, joined with dashes: --code /],
    [['--code', code, '--plain', ...target], /: --plain encrypts nothing, so --code does not go with it\n$/],
    [
      ['--code', code, '--key-file', file, ...target],
      /: --code is in place of a key, so --key-file does not go with it\n$/,
    ],
    [['--code', code, ...target], /: --code is in place of a key, so TCP_TRANSFER_KEY does/, { TCP_TRANSFER_KEY: key }],
    [['--code', code, '--code', code, ...target], /: --code was given more than once\n$/],
    [
      ['--code', code, '--listen', '--port', '0', file],
      /: a side that listens makes its own code; type --code alone\n$/,
    ],
    [
      ['--code', '--listen', '--port', '0', '--count', '0', file],
      /: a code is for a number of transfers, so --count 0 /,
    ],
    [['--code', code, file, 'host'], /: the port is missing: tcp-send --code .*file\.txt host 9000\n$/],
  ]
  for (const [args, message, environment] of cases) {
    const env = { ...process.env, ...environment }
    const { code: status, stderr } = await runCommand(t, 'tcp-send', args, { env, covered })
    t.equal(status, 2)
    t.match(stderr, message)
    if (!args.includes(words[0] as string)) t.notOk(stderr.includes(code), 'no message repeats the code')
  }
  const dryRun = await runCommand(t, 'tcp-send', ['--dry-run', '--code', ...target])
  t.equal(dryRun.code, 0, 'a dry run needs no code')
})

/** A sender at a terminal that has asked for its code. */
async function asked(t: Test, receiver: { port: string }, file: string): Promise<AtTerminal> {
  const args = [...commandLine('tcp-send', covered), '--code', file, '127.0.0.1', receiver.port]
  const terminal = new AtTerminal(t, 80, process.execPath, args, { covered })
  await terminal.says('stdout', /code: /)
  return terminal
}

t.test('asks for the code on a terminal, completes words, and asks again', { skip: withoutTerminal }, async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, ['--code', '--out', out])
  const words = (await codeOf(receiver)).split('-')
  const terminal = await asked(t, receiver, file)
  terminal.type('\r')
  terminal.type('musik\r')
  await terminal.says('stdout', /a code has 4 words, and not 1/)
  terminal.type(`${words.slice(0, 2).join(' ')} musik ${words[3]}\r`)
  await terminal.says('stdout', /word 3 of the code, "musik", is none; did you mean music\?/)
  for (const [index, word] of words.entries()) {
    // Behind what is there already. A tab within a text that comes at once counts as pasted.
    const start = terminal.stdout.length
    const shows = (text: string) => terminal.until(text, () => terminal.stdout.slice(start).includes(text) || null)
    terminal.type(word.slice(0, -1))
    await shows(word.slice(0, -1))
    terminal.type('\t')
    await shows(`${word}${index < 3 ? ' ' : ''}`)
  }
  terminal.type('\r')
  const { code, stdout } = await terminal.done
  t.equal(code, 0, stdout)
  t.match(stdout, /sent .*file\.txt/)
  t.equal((await receiver.done).code, 0)
})

t.test('ends at Ctrl-C and Ctrl-D while it asks, and connects to nobody', { skip: withoutTerminal }, async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, ['--code', '--out', out])
  const interrupted = await asked(t, receiver, file)
  interrupted.type('\x03')
  t.match(await interrupted.done, { code: 130, stdout: /interrupted by SIGINT/ })
  const ended = await asked(t, receiver, file)
  ended.type('\x04')
  t.match(await ended.done, { code: 2, stdout: /no code was typed/ })
  t.notMatch(receiver.stderr, /refused/)
})
