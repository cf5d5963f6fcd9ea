import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createExecHook, splitCommand } from '../../dist/cli/exec.js'
import { TransferError } from '../../dist/errors.js'
import type { StoredEvent } from '../../dist/events.js'
import { makeFifo } from '../fixtures/special-files.js'

const event: StoredEvent = {
  event: 'stored',
  transfer: 1,
  peer: '127.0.0.1:5',
  name: '$(touch shell) `touch shell`; touch shell',
  path: 'out/$(touch shell) `touch shell`; touch shell',
  size: 5,
  blake3: 'ab'.repeat(32),
  type: 'text/plain',
  verified: true,
  seconds: 0.1,
}

/** A program that writes what it is told into `seen.json` beside it, as a command line for `--exec`. */
function recorder(t: Test): { command: string; seen(): Record<string, unknown> } {
  const folder = t.testdir()
  const program = join(folder, 'record.cjs')
  writeFileSync(
    program,
    `const facts = Object.entries(process.env).filter(([name]) => name.startsWith('TCP_TRANSFER_'))
    const input = require('node:fs').readFileSync(0, 'utf8')
    const seen = { args: process.argv.slice(2), facts: Object.fromEntries(facts), input }
    require('node:fs').writeFileSync(${JSON.stringify(join(folder, 'seen.json'))}, JSON.stringify(seen))`,
  )
  return {
    command: `'${process.execPath}' '${program}'`,
    seen: () => JSON.parse(readFileSync(join(folder, 'seen.json'), 'utf8')),
  }
}

t.test('splits a command at spaces, and keeps quoted words together', async (t) => {
  const table: [text: string, words: string[]][] = [
    ['./deploy.sh', ['./deploy.sh']],
    ['  a  b\tc ', ['a', 'b', 'c']],
    [`'a b' "c d"`, ['a b', 'c d']],
    [`a' b'"c "d`, ['a bc d']],
    [`"it's" '"'`, [`it's`, '"']],
    [`a '' ""`, ['a', '', '']],
    ['$HOME *.txt a\\ b $(id) ; &', ['$HOME', '*.txt', 'a\\', 'b', '$(id)', ';', '&']],
    ['', []],
    [' \t', []],
  ]
  for (const [text, words] of table) t.same(splitCommand(text), words, JSON.stringify(text))
})

t.test('gives back every word that was quoted', async () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
      const plain = words.map((word) => word.replace(/'/g, ''))
      const split = splitCommand(plain.map((word) => `'${word}'`).join(' '))
      return JSON.stringify(split) === JSON.stringify(plain)
    }),
  )
})

t.test('tells the program the facts of the file, in its environment and on its input', async (t) => {
  const { command, seen } = recorder(t)
  await createExecHook(`${command} one "two words"`, new AbortController().signal)(event)
  const { args, facts, input } = seen()
  t.same(args, ['one', 'two words'])
  t.same(facts, {
    TCP_TRANSFER_PATH: event.path,
    TCP_TRANSFER_NAME: event.name,
    TCP_TRANSFER_SIZE: '5',
    TCP_TRANSFER_BLAKE3: event.blake3,
    TCP_TRANSFER_TYPE: 'text/plain',
    TCP_TRANSFER_PEER: '127.0.0.1:5',
    TCP_TRANSFER_VERIFIED: 'true',
  })
  t.same(JSON.parse(String(input)), event)
  t.match(String(input), /\n$/)
  t.notOk(existsSync('shell'), 'no shell has seen the name')
})

t.test('tells the program whose key it was', async (t) => {
  const { command, seen } = recorder(t)
  await createExecHook(command, new AbortController().signal)({ ...event, key: 'alice' })
  t.match(seen().facts, { TCP_TRANSFER_KEY_NAME: 'alice' })
})

t.test('fails when the program does, and says how it ended', async (t) => {
  const { signal } = new AbortController()
  const table: [command: string, message: string | RegExp][] = [
    [`sh -c 'exit 3'`, '--exec sh ended with exit status 3'],
    [`sh -c 'kill -KILL $$'`, '--exec sh was ended by SIGKILL'],
    ['/no/such/program', /^--exec \/no\/such\/program could not be run: .*ENOENT/],
  ]
  for (const [command, message] of table) {
    await t.rejects(createExecHook(command, signal)(event), { code: 'hook', exitCode: 10, message })
  }
})

t.test('does not mind a program that reads nothing of its input', async (t) => {
  const run = createExecHook(`sh -c 'exec <&-'`, new AbortController().signal)
  await t.resolves(Promise.all(Array.from({ length: 5 }, () => run(event))))
})

/** A shell script as a command line, run in an empty folder: it says when it has started, which `started` waits for. */
function script(t: Test, text: string, signal: AbortSignal) {
  const folder = t.testdir()
  const fifo = join(folder, 'started')
  makeFifo(fifo)
  const ended = createExecHook(`sh -c 'cd "${folder}" && ${text}'`, signal)(event)
  return { ended, started: readFile(fifo), names: () => readdirSync(folder).filter((name) => name !== 'started') }
}

t.test('asks the program to end when the command is interrupted, and waits until it has', async (t) => {
  const controller = new AbortController()
  // The shell ends its own child, which a signal to the shell alone does not reach.
  const text = 'trap "touch tidied; kill \\$!; exit 3" TERM; sleep 60 & echo >started; wait'
  const { ended, started, names } = script(t, text, controller.signal)
  await started
  controller.abort(new TransferError('terminated', 'terminated by SIGTERM', { reason: 'interrupted' }))
  await t.rejects(ended, {
    code: 'terminated',
    exitCode: 143,
    reason: 'interrupted',
    message: 'terminated by SIGTERM; --exec sh ended with exit status 3',
  })
  t.same(names(), ['tidied'])
})

t.test('tells of an interruption where the program was ended by it', async (t) => {
  const controller = new AbortController()
  const { ended, started } = script(t, 'echo >started; exec sleep 60', controller.signal)
  await started
  controller.abort()
  await t.rejects(ended, { code: 'interrupted', message: 'interrupted; --exec sh was ended by SIGTERM' })
})

t.test('tells the interruption, also of a program that cleans up and ends with 0', async (t) => {
  const controller = new AbortController()
  const text = 'trap "kill \\$!; exit 0" TERM; sleep 60 & echo >started; wait'
  const { ended, started } = script(t, text, controller.signal)
  await started
  controller.abort()
  await t.rejects(ended, { code: 'interrupted', message: 'interrupted; --exec sh ended with exit status 0' })
})

t.test('starts nothing more once the command was interrupted', async (t) => {
  const { command } = recorder(t)
  const controller = new AbortController()
  const run = createExecHook(command, controller.signal)
  controller.abort()
  await t.rejects(run(event), { code: 'interrupted', message: /^interrupted; --exec .* was not run$/ })
  t.notOk(existsSync(join(t.testdirName, 'seen.json')))
})

t.test('refuses a command line with half of a pair of quotes', async (t) => {
  for (const text of ["it's", '"a b', `'a "b' "c`]) {
    t.throws(() => splitCommand(text), { code: 'usage', message: /unmatched quote/ }, text)
  }
  t.strictSame(splitCommand(`"it's" 'a "b"'`), ["it's", 'a "b"'])
})
