/** `--port-file` without a command around it: what becomes of what is there, and what is written. */
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { portFileWriter } from '../../dist/cli/port-file.js'
import { TransferError } from '../../dist/errors.js'
import type { TransferEvent } from '../../dist/events.js'
import { namesIn } from '../fixtures/folder.js'

const listening: TransferEvent = { event: 'listening', address: '127.0.0.1', port: 9000 }

function thrownBy(work: () => void): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return null
}

t.test('does nothing without a path', async (t) => {
  t.doesNotThrow(() => portFileWriter(undefined)(listening))
})

t.test('removes the file of an earlier run at once, and writes a new one when it listens', async (t) => {
  const folder = t.testdir({ port: '1\n' })
  const path = join(folder, 'port')
  const onEvent = portFileWriter(path)
  t.notOk(existsSync(path))
  onEvent({ event: 'connected', transfer: 1, peer: '127.0.0.1:5' })
  t.notOk(existsSync(path), 'only the event that tells the port is of interest')
  writeFileSync(path, '1234\n')
  onEvent(listening)
  t.equal(readFileSync(path, 'utf8'), '9000\n')
  t.strictSame(namesIn(folder), ['port'], 'nothing is left beside it')
})

t.test('touches nothing but what can be a port file', async (t) => {
  const folder = t.testdir({ folder: { inner: '' }, other: 'kept', archive: 'not a port', number: '123456\n' })
  symlinkSync('other', join(folder, 'link'))
  symlinkSync('nowhere', join(folder, 'dangling'))
  const before = namesIn(folder)
  for (const name of ['folder', 'link', 'dangling', 'archive', 'number']) {
    const path = join(folder, name)
    const error = thrownBy(() => portFileWriter(path)(listening))
    t.ok(error instanceof TransferError)
    const message = `cannot write the port to ${path}: it exists and is not a port file`
    t.match(error, { code: 'local-file', exitCode: 8, message })
  }
  t.strictSame(namesIn(folder), before)
  t.equal(readFileSync(join(folder, 'other'), 'utf8'), 'kept')
})

t.test('says why it cannot be written, and leaves nothing behind', async (t) => {
  const folder = t.testdir({ file: '' })
  for (const [path, why] of [
    [join(folder, 'file', 'port'), 'not a directory (ENOTDIR)'],
    [join(folder, 'missing', 'port'), 'no such file or directory (ENOENT)'],
    [join(folder, 'p'.repeat(250)), 'name too long (ENAMETOOLONG)'],
  ] as const) {
    const error = thrownBy(() => portFileWriter(path)(listening))
    t.match(error, { code: 'local-file', exitCode: 8 })
    t.ok((error as Error).message.endsWith(`: ${why}`), why)
  }
  t.strictSame(namesIn(folder), ['file'])
})
