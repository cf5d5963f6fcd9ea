import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { bitFlippingProxy } from '../fixtures/bit-flipping-proxy.js'
import { runCommand, sendTo, start, startReceiver } from '../fixtures/commands.js'
import { bytesOf, filesIn, namesIn } from '../fixtures/folder.js'
import { gate } from '../fixtures/gate.js'
import { readEvents } from '../fixtures/json-events.js'
import { jumpingClock, jumpUntil } from '../fixtures/jumping-clock.js'
import { listenAsPeer, Peer } from '../fixtures/peer.js'
import { frame, senderOpening } from '../fixtures/peer-frames.js'
import { silentListener, unusedPlace } from '../fixtures/ports.js'

// Most of the time is spent waiting for what must happen in time, so the tests run beside each other.
t.jobs = 3
const parallel = { buffered: true }

/** Root may read and write everything, so as root the commands are run as nobody. */
const unprivileged = process.getuid?.() === 0 ? { user: 65534 } : {}

/** Printing throws what no code of ours throws: a bug, put in from outside. */
const bug = { preload: `process.stdout.write = () => { throw new RangeError('put in by a test') }` }

t.test('1: a bug of ours, with the lines that a report needs', parallel, async (t) => {
  const args = ['--json', join(t.testdir(), 'missing'), '127.0.0.1', '1']
  const { code, stderr } = await runCommand(t, 'tcp-send', args, bug)
  t.equal(code, 1)
  t.match(
    stderr,
    /^tcp-send: (failed: )?internal error: put in by a test\nthis is a bug; please report it with these lines:\n/,
  )
  t.match(stderr, /RangeError: put in by a test\n {4}at /)
})

t.test('1: a bug does not leave a listener, or a connection, behind', { ...parallel, timeout: 120_000 }, async (t) => {
  const folder = t.testdir({ file: '' })
  const { host, port } = await silentListener(t, true)
  const outcomes = await Promise.all([
    runCommand(t, 'tcp-recv', ['--json', '--host', '127.0.0.1', '--port', '0'], { cwd: folder, ...bug }),
    runCommand(t, 'tcp-send', ['--json', 'file', host, port], { cwd: folder, ...bug }),
  ])
  for (const { code } of outcomes) t.equal(code, 1)
})

t.test('3: nobody listens, and the message says what to do', parallel, async (t) => {
  const folder = t.testdir({ file: '' })
  const { host, port } = await unusedPlace()
  const { code, stdout, stderr } = await runCommand(t, 'tcp-send', [join(folder, 'file'), host, port])
  t.equal(code, 3)
  t.equal(stdout, '')
  t.equal(
    stderr,
    `tcp-send: failed: cannot connect to ${host}:${port}: nothing listens there (is tcp-recv running? --wait SECONDS waits for it) (ECONNREFUSED)\n`,
  )
})

t.test('3: nobody listens in the time that the sender waits', parallel, async (t) => {
  const folder = t.testdir({ file: '' })
  const { host, port } = await unusedPlace()
  const { code } = await runCommand(t, 'tcp-send', ['--wait', '0.2', join(folder, 'file'), host, port])
  t.equal(code, 3)
})

t.test('3: the port is taken, the address is not ours, the name has no address', parallel, async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const taken = String((server.address() as AddressInfo).port)
  const out = ['--out', t.testdir({ file: '' })]
  const outcomes = await Promise.all([
    runCommand(t, 'tcp-recv', ['--host', '127.0.0.1', '--port', taken, ...out]),
    // An address for documentation (RFC 5737), which no machine has.
    runCommand(t, 'tcp-recv', ['--host', '192.0.2.1', '--port', '0', ...out]),
    runCommand(t, 'tcp-recv', ['--host', 'no..name', '--port', '0', ...out]),
    runCommand(t, 'tcp-send', [join(t.testdirName, 'file'), 'no..name', '9']),
  ])
  t.match(outcomes, [
    { code: 3, stderr: `cannot listen on 127.0.0.1:${taken}: something listens there already` },
    { code: 3, stderr: 'cannot listen on 192.0.2.1:0: this machine has no such address' },
    { code: 3, stderr: 'cannot listen on no..name:0: there is no host of that name' },
    { code: 3, stderr: 'cannot connect to no..name:9: there is no host of that name' },
  ])
})

t.test('6: the receiver is gone, and so is the sender', parallel, async (t) => {
  const folder = t.testdir()
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, ['--json', '--once', '--out', out])
  const sender = start(t, 'tcp-send', ['--name', 'x', '-', '127.0.0.1', receiver.port], { input: 'pipe' })
  await sender.write(bytesOf(100_000))
  await receiver.says('stdout', /"event":"progress"/)
  await receiver.kill('SIGKILL')
  const { code, stderr } = await sender.done
  t.equal(code, 6)
  t.match(stderr, /^tcp-send: failed: /)
  t.same(filesIn(out), {})
})

t.test('7: one bit is flipped on the way, and both ends notice', parallel, async (t) => {
  const out = join(t.testdir({ letter: `${'x'.repeat(5000)}MARK the amount is 100` }), 'out')
  const receiver = await startReceiver(t, ['--one-attempt', '--out', out])
  const proxy = await bitFlippingProxy(t, receiver.port, 'MARK the amount is ')
  const sender = await sendTo(t, proxy, [join(t.testdirName, 'letter')])
  t.equal(sender.code, 7)
  t.match(
    sender.stderr,
    /the receiver refused it: the digest does not match: [0-9a-f]{64} came, [0-9a-f]{64} was sent$/m,
  )
  const received = await receiver.done
  t.equal(received.code, 7)
  t.match(received.stderr, 'the digest does not match')
  t.equal(received.stdout, '')
  t.same(namesIn(out), [])
})

t.test('8: a file that is not there costs the others nothing', parallel, async (t) => {
  const folder = t.testdir({ a: 'one', b: 'two' })
  const receiver = await startReceiver(t, ['--once', '--out', 'out'], { cwd: folder })
  const sender = await sendTo(t, receiver, ['a', 'missing', 'b'], { cwd: folder })
  t.equal(sender.code, 8)
  t.match(sender.stderr, 'tcp-send: failed: cannot read missing: no such file or directory (ENOENT)')
  t.equal((await receiver.done).code, 0)
  t.same(filesIn(join(folder, 'out')), { a: 'one', b: 'two' })
})

t.test('8: no folder can be made there', parallel, async (t) => {
  const folder = t.testdir({ file: '', link: t.fixture('symlink', 'absent') })
  const table: Record<string, string> = {
    file: 'cannot store in file: it is a file, not a folder',
    'file/out': 'cannot store in file/out: file is a file, not a folder',
    link: 'cannot store in link: it is a link to absent, which does not exist',
    '/proc/o': 'cannot make the folder /proc/o: the file system takes no folder of that name there',
  }
  for (const [out, message] of Object.entries(table)) {
    const args = ['--host', '127.0.0.1', '--port', '0', '--out', out]
    const { code, stderr } = await runCommand(t, 'tcp-recv', args, { cwd: folder })
    t.equal(code, 8)
    t.equal(stderr, `tcp-recv: failed: ${message}\n`)
  }
})

t.test('8: the staging folder is not this user’s alone, as its start says', parallel, async (t) => {
  const folder = t.testdir({ '.tcp-recv': { 'in-use': {} } })
  chmodSync(join(folder, '.tcp-recv'), 0o777)
  const args = ['--host', '127.0.0.1', '--port', '0', '--out', '.']
  const { code, stderr } = await runCommand(t, 'tcp-recv', args, { cwd: folder })
  t.equal(code, 8)
  const message = 'cannot use the staging folder .tcp-recv: other users can change what is in it; remove it'
  t.equal(stderr, `tcp-recv: failed: ${message}\n`)
})

t.test('8: a file or a folder that this user may not use', parallel, async (t) => {
  const { code } = await runCommand(t, 'tcp-send', ['--version'], unprivileged)
  if (code !== 0) {
    t.pass('permission denied', { skip: 'this is root, and nobody else can run the commands here' })
    return
  }
  const folder = t.testdir({ file: 'secret', out: {} })
  chmodSync(join(folder, 'file'), 0)
  chmodSync(join(folder, 'out'), 0o500)
  const options = { cwd: folder, ...unprivileged }
  const sender = await runCommand(t, 'tcp-send', ['file', '127.0.0.1', '1'], options)
  t.match(sender, { code: 8, stderr: 'tcp-send: failed: cannot read file: permission denied (EACCES)' })
  const receiver = await runCommand(t, 'tcp-recv', ['--host', '127.0.0.1', '--port', '0', '--out', 'out'], options)
  t.match(receiver, { code: 8, stderr: 'tcp-recv: failed: cannot store in out: permission denied (EACCES)' })
})

t.test('9: the other side accepts the connection and says nothing', parallel, async (t) => {
  const folder = t.testdir({ big: bytesOf(30_000_000), small: 'hello' })
  const message =
    /^tcp-send: failed: no (progress for|greeting within) 30 seconds.*; it has not said a word: .* --plain$/m
  for (const name of ['small', 'big']) {
    const opened = gate()
    const { port } = await listenAsPeer(t, async (peer) => {
      // A file that may go on waits for the greeting.
      await peer.next(name === 'big' ? 'G' : 'H')
      opened.open()
    })
    const sender = start(t, 'tcp-send', [name, '127.0.0.1', `${port}`], { cwd: folder, preload: jumpingClock })
    await opened.opened
    const { code, stderr } = await jumpUntil(sender, sender.done)
    t.equal(code, 9)
    t.match(stderr, message)
  }
})

t.test('9: no sender comes in the time that the receiver waits', parallel, async (t) => {
  const out = join(t.testdir(), 'out')
  const args = ['--host', '127.0.0.1', '--port', '0', '--wait', '0.3', '--out', out]
  const { code, stderr } = await runCommand(t, 'tcp-recv', args)
  t.equal(code, 9)
  t.match(stderr, /^tcp-recv: failed: no sender came within 0\.3 seconds$/m)
  t.same(namesIn(out), [])
})

t.test('9: a sender falls silent inside a file', parallel, async (t) => {
  const out = join(t.testdir(), 'out')
  const receiver = await startReceiver(t, ['--json', '--once', '--out', out], { preload: jumpingClock })
  const peer = await Peer.dial(t, Number(receiver.port))
  await peer.write(senderOpening, frame('H', { name: 'x', size: 2000 }), frame('D', bytesOf(1024)))
  await receiver.says('stdout', /"event":"progress"/)
  const refused = await jumpUntil(receiver, peer.next('R'))
  t.match(refused.fields, { entry: null, reason: 'timeout', message: 'no progress for 30 seconds' })
  const { code, stdout } = await jumpUntil(receiver, receiver.done)
  t.equal(code, 9)
  const failed = readEvents(t, stdout).filter(({ event }) => event === 'failed')
  t.match(failed, [
    { transfer: 1, name: 'x', code: 'timeout' },
    { transfer: 0, message: /no sender came back within 30 seconds$/ },
  ])
  t.same(namesIn(out), [])
})
