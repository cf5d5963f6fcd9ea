/** What a command makes of the descriptors that it was given. */
import fs, { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { assertOpen, assertSpareDescriptors } from '../../dist/cli/descriptors.js'
import { systemError } from '../fixtures/disk.js'

/** A /proc/self in which the descriptor leads there and was opened with these flags. */
function processWith(t: Test, fd: number, target: string, info: string): string {
  const folder = t.testdir()
  for (const name of ['fd', 'fdinfo']) mkdirSync(join(folder, name))
  symlinkSync(target, join(folder, 'fd', String(fd)))
  writeFileSync(join(folder, 'fdinfo', String(fd)), info)
  return folder
}

const info = (flags: string) => `pos:\t0\nflags:\t${flags}\nmnt_id:\t24\nino:\t3\n`

t.test('takes /dev/null that was opened for both directions for a closed stream, and names the remedy', async (t) => {
  const table = [
    [0, 'disk', /^standard input is closed .*; for an empty input, use <\/dev\/null$/],
    [1, 'output', /^standard output is closed .*; to discard the output, use >\/dev\/null$/],
    [2, 'output', /^standard error is closed .*; to discard the output, use 2>\/dev\/null$/],
  ] as const
  for (const [fd, reason, message] of table) {
    const proc = processWith(t, fd, '/dev/null', info('02100002'))
    t.throws(() => assertOpen(fd, proc), { code: 'local-file', exitCode: 8, reason, message })
  }
})

t.test('takes every other stream as it is', async (t) => {
  for (const [target, text] of [
    ['/dev/null', info('0100000')],
    ['/dev/null', info('02100001')],
    ['/dev/null', 'pos:\t0\n'],
    ['/dev/pts/3', info('02100002')],
    ['socket:[12345]', info('02000002')],
  ] as const) {
    t.doesNotThrow(() => assertOpen(1, processWith(t, 1, target, text)), target + text)
  }
})

t.test('looks at nothing where there is no /proc', async (t) => {
  t.doesNotThrow(() => assertOpen(1, join(t.testdir(), 'missing')))
})

t.test('makes sure that a transfer can open what it takes, and leaves nothing open', async (t) => {
  const open = fs.openSync
  const opened = t.capture(fs, 'openSync', open)
  const closed = t.capture(fs, 'closeSync', fs.closeSync)
  syncBuiltinESMExports()
  assertSpareDescriptors()
  const descriptors = opened().map((call) => 'returned' in call && call.returned)
  t.ok(descriptors.length > 8)
  t.same(
    closed().map(({ args }) => args[0]),
    descriptors,
  )
  let left = 3
  fs.openSync = ((...args: Parameters<typeof open>) => {
    if (left-- > 0) return open(...args)
    throw systemError('EMFILE')
  }) as typeof open
  syncBuiltinESMExports()
  t.throws(assertSpareDescriptors, { code: 'local-file', message: /^too few files may be opened at once \(EMFILE\)/ })
  t.equal(closed().length, 3)
  opened.restore()
  closed.restore()
  syncBuiltinESMExports()
})
