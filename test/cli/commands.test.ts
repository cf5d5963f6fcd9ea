import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { chatCommand } from '../../dist/cli/chat-command.js'
import { chatCommandLine } from '../../dist/cli/chat-command-line.js'
import { receiveCommand } from '../../dist/cli/receive-command.js'
import { receiveCommandLine } from '../../dist/cli/receive-command-line.js'
import { sendCommand } from '../../dist/cli/send-command.js'
import { sendCommandLine } from '../../dist/cli/send-command-line.js'
import { isUnsafe } from '../../dist/text.js'
import { key, otherKey } from '../fixtures/keys.ts'
import { type WrongUsage, wrongChatUsage, wrongReceiveUsage, wrongSendUsage } from '../fixtures/wrong-usage.js'

/** Runs a command in this process to its end: its exit status, and what it wrote to stderr. */
async function runHere(t: Test, command: (args: string[]) => Promise<number>, args: readonly string[]) {
  const calls = t.capture(process.stderr, 'write', () => true)
  const code = await command([...args])
  calls.restore()
  const stderr = calls()
    .map(({ args }) => args[0])
    .join('')
  return { code, stderr }
}

async function isWrong(t: Test, command: (args: string[]) => Promise<number>, table: readonly WrongUsage[]) {
  for (const [args, message] of table) {
    // A line that should be refused and is not must not run for ever.
    const bound = args.includes('--wait') ? [] : ['--wait', '0.1']
    const { code, stderr } = await runHere(t, command, [...bound, ...args])
    const [first = '', ...more] = stderr.split('\n')
    const said = first.replace(/^tcp-(?:send|recv|chat): /, '')
    t.equal(code, 2, args.join(' '))
    if (typeof message === 'string') t.equal(said, message)
    else t.match(said, message)
    t.same(more, [''], 'on one line')
  }
}

t.test('tcp-send names what is wrong with its command line', async (t) => {
  await isWrong(t, sendCommand, wrongSendUsage)
})

t.test('tcp-recv names what is wrong with its command line', async (t) => {
  await isWrong(t, receiveCommand, wrongReceiveUsage)
})

t.test('tcp-chat names what is wrong with its command line', async (t) => {
  await isWrong(t, chatCommand, wrongChatUsage)
})

t.test('listens for the networks that it is told, with as many streams', async (t) => {
  const args = [
    '--port',
    '0',
    '--host',
    '127.0.0.1',
    '--out',
    t.testdir({}),
    '--allow-from',
    '10.0.0.0/8',
    '--proxy-from',
    '10.0.0.0/8',
    '--metrics',
    '0',
    '--streams',
    '2',
  ]
  const { code } = await runHere(t, receiveCommand, [...args, '--wait', '0.1'])
  t.equal(code, 9)
})

t.test('listens with a folder for each key', async (t) => {
  const path = t.testdir({ keys: `alice ${key}\nbob ${otherKey}\n` })
  chmodSync(join(path, 'keys'), 0o600)
  const args = ['--port', '0', '--host', '127.0.0.1', '--out', join(path, 'out'), '--key-file', join(path, 'keys')]
  const { code, stderr } = await runHere(t, receiveCommand, [...args, '--per-key-folder', '--wait', '0.1'])
  t.equal(code, 9, stderr)
})

t.test('shows no character of a command line that could lie', async (t) => {
  const hostile = '\u001b[2J\u202ea'
  for (const [command, args] of [
    [receiveCommand, ['--port', '0', hostile]],
    [receiveCommand, ['--port', '0', '--accept', hostile]],
    [receiveCommand, ['--port', hostile]],
    [sendCommand, ['file.txt', '127.0.0.1', hostile]],
  ] as const) {
    const { code, stderr } = await runHere(t, command, args)
    t.equal(code, 2)
    for (const line of stderr.split('\n')) t.notOk(isUnsafe(line))
  }
})

t.test('says which receipt cannot be written, and does nothing else', async (t) => {
  const path = join(t.testdir({ file: '' }), 'file', 'receipt')
  for (const [command, args] of [
    [receiveCommand, ['--port', '0', '--host', '127.0.0.1', '--out', t.testdirName, '--receipt', path]],
    [sendCommand, ['file.txt', '127.0.0.1', '1', '--receipt', path]],
  ] as const) {
    const { code, stderr } = await runHere(t, command, args)
    t.equal(code, 8)
    t.match(stderr, /^[-0-9]+ [:0-9]+ tcp-(send|recv): failed: cannot write .*receipt: not a directory \(ENOTDIR\)\n$/)
  }
})

t.test('describes every option in ASCII, by which the help is laid out', async (t) => {
  for (const { options, usage, examples, epilogue } of [sendCommandLine, receiveCommandLine, chatCommandLine]) {
    for (const text of [...usage, ...examples.flat(), epilogue, ...Object.values(options).map((o) => o.describe)]) {
      t.match(text, /^[ -~]+$/)
    }
  }
})
