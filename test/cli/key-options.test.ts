/** Where a key may come from, which files are refused, and what a change of the file does. No message repeats a key. */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseArguments } from '../../dist/cli/arguments.js'
import { fingerprints, newKey, readKey } from '../../dist/cli/key-options.js'
import { receiveCommand } from '../../dist/cli/receive-command.js'
import { receiveCommandLine } from '../../dist/cli/receive-command-line.js'
import { sendCommand } from '../../dist/cli/send-command.js'
import type { TransferError } from '../../dist/errors.js'
import { isKey, keysOf } from '../../dist/keys.js'
import { key, otherKey } from '../fixtures/keys.ts'
import { NOBODY } from '../fixtures/other-user.ts'

const secrets = [key, otherKey, 'hunter2']
const [fingerprint, otherFingerprint] = [key, otherKey].map((text) => keysOf(text)[0]?.fingerprint)
const isRoot = process.getuid?.() === 0

/** A folder of key files that only this user can read. */
function place(t: Test): { root: string; at(name: string): string; write(name: string, text: string): string } {
  const root = t.testdir()
  const at = (name: string) => join(root, name)
  const write = (name: string, text: string) => {
    writeFileSync(at(name), text, { mode: 0o600 })
    return at(name)
  }
  return { root, at, write }
}

const parse = (...args: string[]) => parseArguments(receiveCommandLine, args)
const read = (path: string) => readKey(parse('--key-file', path), undefined)

/** The error that `work` throws, which repeats no key. */
function refusalOf(t: Test, work: () => unknown): TransferError | null {
  try {
    work()
    return null
  } catch (error) {
    const { message, stack } = error as TransferError
    for (const secret of secrets) t.notOk(`${message}${stack}`.includes(secret), 'nothing repeats the key')
    return error as TransferError
  }
}

t.test('makes a key, and shows fingerprints', async (t) => {
  const { write } = place(t)
  t.match(newKey(), /^[\w-]{43}\n$/)
  t.ok(isKey(newKey()))
  t.equal(fingerprints(parse('--key-file', write('key', `${key}\n`)), undefined), `${fingerprint}\n`)
  const named = write('named', `alice ${key}\r\n# old\r\nbob ${otherKey}\r\n`)
  t.equal(fingerprints(parse('--key-file', named), undefined), `${fingerprint}  alice\n${otherFingerprint}  bob\n`)
  t.equal(fingerprints(parse(), ` ${key}\n`), `${fingerprint}\n`)
  const lacking = refusalOf(t, () => fingerprints(parse(), undefined))
  t.match(lacking, { code: 'usage', message: '--fingerprint needs a key: --key-file FILE or TCP_TRANSFER_KEY' })
})

t.test('takes the file before the variable, and needs neither', async (t) => {
  const { write } = place(t)
  t.equal(readKey(parse(), undefined), undefined)
  t.equal(readKey(parse(), `\ufeff${key}\r\n`)?.(), key)
  t.equal(readKey(parse('--key-file', write('key', key)), otherKey)?.(), key)
  t.equal(readKey(parse('--plain'), undefined), undefined)
})

t.test('refuses what is no key, and what would show it', async (t) => {
  const { root, at, write } = place(t)
  const cases: [args: string[], variable: string | undefined, code: string, why: RegExp][] = [
    [['--key-file', write('weak', 'hunter2\n')], undefined, 'usage', /weak, line 1: .*--generate-key/],
    [['--key-file', write('empty', '')], undefined, 'usage', /empty: it has no key/],
    [['--key-file', write('large', `${'# long\n'.repeat(10_000)}${key}`)], undefined, 'usage', /too large/],
    [
      ['--key-file', write('wide', `alice ${key}\n# ${'\u00e4'.repeat(40_000)}\nbob ${otherKey}`)],
      undefined,
      'usage',
      /too large/,
    ],
    [['--key-file', at('missing')], undefined, 'local-file', /cannot read .*ENOENT/],
    [['--key-file', root], undefined, 'local-file', /cannot read .*EISDIR/],
    [['--key-file', '/dev/null'], undefined, 'usage', /it has no key/],
    [['--key-file', key], undefined, 'usage', /the name of a file, not the key itself/],
    [['--key-file', '-'], undefined, 'usage', /does not read standard input; that is \/dev\/stdin/],
    [['--key-file', ''], undefined, 'usage', /--key-file is empty/],
    [[], '', 'usage', /TCP_TRANSFER_KEY: the key is empty/],
    [[], 'hunter2', 'usage', /TCP_TRANSFER_KEY: the key is too short.*--generate-key/],
    [['--plain'], key, 'usage', /--plain encrypts nothing.*env -u TCP_TRANSFER_KEY/],
    [['--plain', '--key-file', write('key', key)], undefined, 'usage', /--plain encrypts nothing.*--key-file/],
  ]
  chmodSync(root, 0o755)
  for (const [args, variable, code, why] of cases) {
    const refused = refusalOf(t, () => readKey(parse(...args), variable))
    t.match(refused, { code, message: why }, `${why}`)
  }
})

t.test('refuses a file that others can read or change', async (t) => {
  const { at, write } = place(t)
  write('it is', key)
  for (const mode of [0o644, 0o640, 0o620, 0o604, 0o602, 0o610, 0o601]) {
    chmodSync(at('it is'), mode)
    const message = `${at('it is')} can be read or changed by other users; type: chmod 600 '${at('it is')}'`
    t.match(
      refusalOf(t, () => read(at('it is'))),
      { code: 'usage', message },
      mode.toString(8),
    )
  }
  for (const mode of [0o600, 0o400]) {
    chmodSync(at('it is'), mode)
    t.equal(read(at('it is'))?.(), key, mode.toString(8))
  }
  symlinkSync(at('it is'), at('link'))
  chmodSync(at('it is'), 0o644)
  t.match(
    refusalOf(t, () => read(at('link'))),
    { code: 'usage' },
    'the mode of the file counts, not of the link',
  )
  // Where files have no owner, as on Windows, there is nothing to look at.
  const own = t.intercept(process, 'getuid', { value: undefined })
  t.equal(read(at('it is'))?.(), key)
  own.restore?.()
})

t.test('lets a group read the file of another owner', { skip: !isRoot && 'needs root' }, async (t) => {
  const { at, write } = place(t)
  chownSync(write('key', key), NOBODY, NOBODY)
  chmodSync(at('key'), 0o440)
  t.equal(read(at('key'))?.(), key)
  for (const mode of [0o460, 0o444, 0o442]) {
    chmodSync(at('key'), mode)
    t.match(
      refusalOf(t, () => read(at('key'))),
      { code: 'usage', message: /chmod 600/ },
      mode.toString(8),
    )
  }
})

t.test('reads a credential of systemd, which its group may read', async (t) => {
  const { root, at, write } = place(t)
  chmodSync(write('key', key), 0o440)
  t.match(
    refusalOf(t, () => read(at('key'))),
    { code: 'usage', message: /chmod 600/ },
  )
  t.intercept(process, 'env', { value: { ...process.env, CREDENTIALS_DIRECTORY: root } })
  t.equal(read(at('key'))?.(), key)
  chmodSync(at('key'), 0o444)
  t.match(
    refusalOf(t, () => read(at('key'))),
    { code: 'usage', message: /chmod 600/ },
  )
  chmodSync(at('key'), 0o440)
  for (const elsewhere of [join(root, 'nowhere'), '/']) {
    t.intercept(process, 'env', { value: { ...process.env, CREDENTIALS_DIRECTORY: elsewhere } })
    t.match(
      refusalOf(t, () => read(at('key'))),
      { code: 'usage', message: /chmod 600/ },
      elsewhere,
    )
  }
})

t.test('reads a file again when it has changed, and only then', async (t) => {
  const { at, write } = place(t)
  const current = read(write('key', key)) as () => unknown
  t.equal(current(), key)
  write('next', otherKey)
  renameSync(at('next'), at('key'))
  t.equal(current(), otherKey)
  utimesSync(at('key'), 1, 1)
  t.equal(current(), otherKey)
})

t.test('throws once for each change that cannot be used, and keeps the keys from before', async (t) => {
  const { at, write } = place(t)
  const current = read(write('key', key)) as () => unknown
  const remains = (message: RegExp, title: string, code = 'usage') => {
    t.match(refusalOf(t, current), { code, message }, title)
    t.equal(current(), key, title)
  }
  write('key', 'hunter2')
  remains(/key, line 1: /, 'broken')
  rmSync(at('key'))
  remains(/key is no file any more$/, 'gone', 'local-file')
  if (process.platform !== 'win32') execFileSync('mkfifo', ['-m', '600', at('key')])
  t.equal(current(), key, 'a FIFO is not waited for')
  rmSync(at('key'), { force: true })
  write('key', otherKey)
  chmodSync(at('key'), 0o644)
  remains(/chmod 600/, 'open to others')
  chmodSync(at('key'), 0o600)
  t.equal(current(), otherKey, 'it can be used again')
})

t.test('adds and removes keys with names, and takes the names away', async (t) => {
  const { write } = place(t)
  const current = read(write('keys', `alice ${key}\nbob ${otherKey}\n`)) as () => unknown
  t.match(current(), [{ name: 'alice' }, { name: 'bob' }])
  write('keys', `carol ${otherKey}\n`)
  t.strictSame(current(), [{ name: 'carol', key: otherKey }])
  write('keys', otherKey)
  t.equal(current(), otherKey, 'the key without a name is the only one that counts')
  write('keys', `alice ${key}\nbob ${otherKey}\n`)
  t.match(current(), [{ name: 'alice' }, { name: 'bob' }])
})

t.test('reads a pipe once', { skip: process.platform === 'win32' && 'needs a FIFO' }, async (t) => {
  const { at } = place(t)
  execFileSync('mkfifo', ['-m', '600', at('pipe')])
  // Opening it blocks until there is a writer, so that must be another process.
  const writer = spawn('sh', ['-c', 'printf %s "$1" >"$2"', 'sh', key, at('pipe')], { stdio: 'ignore' })
  const ended = new Promise((resolve) => writer.once('close', resolve))
  const current = read(at('pipe')) as () => unknown
  t.equal(current(), key)
  t.equal(current(), key, 'it is not opened again, which would block')
  await ended
})

t.test('the commands refuse what needs names, and a key in the wrong place', async (t) => {
  const { at, write } = place(t)
  const [file, named] = [write('key', key), write('named', `alice ${key}`)]
  const out = ['--port', '0', '--wait', '0.1', '--out', at('out')]
  const cases: [(args: string[]) => Promise<number>, string[], RegExp][] = [
    [receiveCommand, [...out, '--per-key-folder', '--key-file', file], /names/],
    [receiveCommand, [...out, '--per-key-folder'], /names/],
    [receiveCommand, ['--port', '0', '--per-key-folder', '--out', '-', '--key-file', named], /--out -/],
    [receiveCommand, [...out, '--key-file', key], /not the key itself/],
    [sendCommand, ['--key-file', key, file, '127.0.0.1:1'], /not the key itself/],
    [sendCommand, ['--plain', '--key-file', file, file, '127.0.0.1:1'], /--plain encrypts nothing/],
  ]
  for (const [command, args, why] of cases) {
    const calls = t.capture(process.stderr, 'write', () => true)
    const code = await command(args)
    calls.restore()
    const stderr = calls().map(({ args }) => args[0])
    t.match({ code, stderr: stderr.join('') }, { code: 2, stderr: why })
    t.equal(stderr.length, 1)
    t.notOk(stderr.join('').includes(key), 'nothing repeats the key')
  }
})
