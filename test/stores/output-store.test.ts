import { spawn } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import { closeSync, createWriteStream, openSync, readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/errors.js'
import { OutputDestination, OutputStore } from '../../dist/stores/output-store.js'
import { failDuring, replaceDuring, systemError } from '../fixtures/disk.ts'
import { header, storeIn } from '../fixtures/folder-store.ts'
import { append } from '../fixtures/sinks.ts'
import { stateOf } from '../fixtures/turns.ts'

/** A signal of its own for each store, as each transfer has. */
const never = () => new AbortController().signal
const outputError = { code: 'local-file', reason: 'output', exitCode: 8 }

/** An output whose reader takes a piece only when the test says so. */
function slowOutput() {
  const taken: string[] = []
  let take = (_error?: Error) => {}
  const output = new Writable({
    write(bytes, _encoding, done) {
      take = (error) => {
        if (!error) taken.push(String(bytes))
        done(error)
      }
    },
  })
  return { output, taken, take: (error?: Error) => take(error) }
}

/** A stream into a file, as a shell's redirection makes it. */
function fileOutput(t: Test): { output: Writable; path: string; fd: number } {
  const path = join(t.testdir(), 'output')
  const fd = openSync(path, 'w')
  t.teardown(() => closeSync(fd))
  return { output: createWriteStream('', { fd, autoClose: false }), path, fd }
}

t.test('passes the bytes on and leaves the output open', async (t) => {
  const output = new PassThrough()
  const store = new OutputStore(output, never())
  t.strictSame(await storeIn(store, {}, 'one ', 'two'), { name: '-', path: '-' })
  await store.close()
  t.equal(String(output.read(7)), 'one two')
  t.ok(output.writable)
})

t.test('takes a file of no bytes', async (t) => {
  t.strictSame(await storeIn(new OutputStore(new PassThrough(), never()), {}), { name: '-', path: '-' })
})

t.test('does not look at the name, which goes nowhere', async (t) => {
  await t.resolves(storeIn(new OutputStore(new PassThrough(), never()), { name: '../evil' }, 'x'))
})

t.test('waits until a slow reader has taken a piece, and keeps a copy of it until then', async (t) => {
  const { output, taken, take } = slowOutput()
  const entry = await new OutputStore(output, never()).begin(header())
  const bytes = Buffer.from('first')
  const writing = Promise.resolve(append(entry, bytes))
  bytes.fill('x')
  t.equal(await stateOf(writing), 'pending')
  take()
  await writing
  t.strictSame(taken, ['first'])
})

t.test('makes no copy for a file, pipe or connection: it is done with the bytes when it says so', async (t) => {
  for (const output of [new Socket(), Object.assign(new PassThrough(), { fd: 9 })]) {
    const entry = await new OutputStore(output, never()).begin(header())
    const bytes = Buffer.from('bytes')
    const passed = t.capture(output, 'write', ((_bytes: Buffer, done: () => void) => done()) as never)
    await append(entry, bytes)
    t.equal(passed()[0]?.args[0], bytes)
  }
})

t.test('stops waiting for a slow reader when the connection fails', async (t) => {
  const { output } = slowOutput()
  const controller = new AbortController()
  const entry = await new OutputStore(output, controller.signal).begin(header())
  const writing = Promise.resolve(append(entry, Buffer.from('never taken')))
  t.equal(await stateOf(writing), 'pending')
  const reason = new TransferError('timeout', 'the sender fell silent')
  controller.abort(reason)
  t.equal(await writing.catch((error) => error), reason)
  t.equal(await Promise.resolve(append(entry, Buffer.from('more'))).catch((error) => error), reason)
  t.equal(output.writableLength, 'never taken'.length, 'and nothing more was queued')
})

t.test('writes nothing once the connection has failed, also where nothing was written before', async (t) => {
  const { output } = slowOutput()
  const controller = new AbortController()
  const entry = await new OutputStore(output, controller.signal).begin(header())
  const reason = new TransferError('timeout', 'the sender fell silent')
  controller.abort(reason)
  t.equal(await Promise.resolve(append(entry, Buffer.from('late'))).catch((error) => error), reason)
  t.equal(output.writableLength, 0)
})

t.test('listens once to the signal of its connection, however many pieces pass', async (t) => {
  const { signal } = new AbortController()
  const output = new PassThrough().resume()
  await storeIn(new OutputStore(output, signal), {}, ...Array.from({ length: 20 }, String))
  t.equal(getEventListeners(signal, 'abort').length, 1)
})

t.test('takes one file and refuses the next, even when the first was given up', async (t) => {
  const store = new OutputStore(new PassThrough(), never())
  const entry = await store.begin(header())
  const refused = {
    code: 'refused',
    reason: 'policy',
    peerMessage: 'it writes to its standard output and takes one file',
  }
  await t.rejects(store.begin(header()), refused)
  await append(entry, Buffer.from('what is out is out'))
  await entry.discard()
  await t.rejects(store.begin(header()), refused)
})

/** What every way of losing the reader looks like. */
const gone = {
  ...outputError,
  message: 'cannot write to the output: its reader has closed it',
  peerMessage: 'the reader of its output has gone',
}

/** A process that runs `script`, with its standard input as the output of the store. */
async function storeIntoProcess(t: Test, script: string) {
  const reader = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => reader.kill())
  const entry = await new OutputStore(reader.stdin, never()).begin(header())
  // Some may still fit into the buffer of the pipe.
  const writeOn = async () => {
    for (let piece = 0; piece < 64; piece++) await append(entry, Buffer.alloc(65_536))
  }
  return { reader, entry, writeOn }
}

t.test('tells that the reader has closed a real pipe', async (t) => {
  const script = "fs.closeSync(0); console.log('closed'); setInterval(() => {}, 1000)"
  const { reader, entry, writeOn } = await storeIntoProcess(t, script)
  await once(reader.stdout, 'data')
  await t.rejects(writeOn(), gone)
  await t.resolves(entry.discard())
})

t.test('tells that the reader of a real pipe has exited', async (t) => {
  const { reader, writeOn } = await storeIntoProcess(t, '')
  await once(reader, 'exit')
  await t.rejects(writeOn(), gone)
})

t.test('refuses at the beginning when the reader has gone before', async (t) => {
  const closed = new PassThrough()
  closed.destroy()
  const store = new OutputStore(closed, never())
  await t.rejects(store.begin(header()), gone)

  const failed = new PassThrough()
  const failedStore = new OutputStore(failed, never())
  failed.destroy(systemError('EPIPE', 'write'))
  await t.rejects(failedStore.begin(header()), gone)
})

t.test('names another failure of the output as what it is', async (t) => {
  const { output, take } = slowOutput()
  const store = new OutputStore(output, never())
  const entry = await store.begin(header())
  const writing = Promise.resolve(append(entry, Buffer.from('x')))
  take(systemError('ENOSPC', 'write'))
  const expected = {
    ...outputError,
    message: 'cannot write to the output: no space left on device (ENOSPC)',
    peerMessage: 'it cannot write to its output',
  }
  await t.rejects(writing, expected)
  await t.rejects(new OutputStore(output, never()).begin(header()), expected)
})

t.test('makes a file durable to which the output was redirected', async (t) => {
  const { output, path, fd } = fileOutput(t)
  const synced: [number, string][] = []
  replaceDuring(t, 'fsync', (current) => async (number) => {
    await current(number)
    synced.push([number, readFileSync(path, 'utf8')])
  })
  await storeIn(new OutputStore(output, never()), {}, 'durable')
  t.strictSame(synced, [[fd, 'durable']])
})

t.test('has stored where there is nothing that could be made durable', async (t) => {
  for (const code of ['EINVAL', 'ENOTSUP', 'EROFS']) {
    await t.test(code, async (t) => {
      const { output, path } = fileOutput(t)
      failDuring(t, { call: 'fsync', code })
      await storeIn(new OutputStore(output, never()), {}, 'x')
      t.equal(readFileSync(path, 'utf8'), 'x')
    })
  }
})

t.test('has not stored when the file cannot be made durable', async (t) => {
  for (const code of ['EIO', 'ENOSPC']) {
    await t.test(code, async (t) => {
      const { output } = fileOutput(t)
      failDuring(t, { call: 'fsync', code })
      await t.rejects(storeIn(new OutputStore(output, never()), {}, 'x'), { ...outputError, message: new RegExp(code) })
    })
  }
})

t.test('has not stored when the file cannot be made durable for a reason that nobody knows', async (t) => {
  const { output } = fileOutput(t)
  replaceDuring(t, 'fsync', () => async () => {
    throw new Error('odd')
  })
  await t.rejects(storeIn(new OutputStore(output, never()), {}, 'x'), { ...outputError, message: /odd/ })
})

t.test('can neither keep nor take back what it has passed on', async (t) => {
  const { output, path } = fileOutput(t)
  const entry = await new OutputStore(output, never()).begin(header())
  await append(entry, Buffer.from('half'))
  t.match(entry, { have: 0, hasChanged: false })
  t.equal(await entry.readAt(Buffer.alloc(1), 0), 0, 'nothing can be read again')
  t.equal(await entry.keep(), null)
  await t.resolves(entry.discard())
  t.equal(readFileSync(path, 'utf8'), 'half')
})

t.test('is a destination for one file, without names, and leaves the stream open', async (t) => {
  const { output } = fileOutput(t)
  const destination = new OutputDestination(output)
  t.match(destination, { hasNames: false, isOnce: true, isUsed: false })
  t.strictSame(await destination.prepare(), [])
  t.equal(await destination.hasKept(), false)
  const store = await destination.open(never())
  t.equal(destination.isUsed, true)
  await storeIn(store, {}, 'x')
  await store.close()
  await destination.close()
  t.equal(output.writable, true)
})
