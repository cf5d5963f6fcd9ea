/** What both ends report: the order and content of events, and that nothing else is ever said. */
import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { receive, send, type TransferEvent } from '../../dist/index.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { startReceiver, startSender, trySend } from '../fixtures/ends.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { Peer } from '../fixtures/peer.ts'
import { digest, entryFrames, frame, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'

t.test('reports a transfer in order, on both sides', async (t) => {
  // Time stands still, so there is one progress event for each file.
  fakePerformanceNow(t)
  const folder = t.testdir({ 'a.txt': 'first', 'b.json': 'second', out: { 'b.json': 'old' } })
  const out = join(folder, 'out')
  const receiver = await startReceiver(t, { out, count: 1 })
  const [a, b] = [join(folder, 'a.txt'), join(folder, 'b.json')]
  const sent = await trySend(t, receiver.port, [a, b])
  await receiver.ended

  const peer = /^127\.0\.0\.1:\d+$/
  const first = { name: 'a.txt', size: 5, blake3: digest('first'), type: 'text/plain' }
  const second = { name: 'b.json', size: 6, blake3: digest('second'), type: 'application/json' }
  const transfer = 1
  t.match(receiver.events.all, [
    { event: 'listening', address: '127.0.0.1', port: receiver.port },
    { event: 'connected', transfer, peer },
    { event: 'progress', transfer, name: 'a.txt', bytes: 0, size: 5 },
    { event: 'stored', transfer, peer, path: join(out, 'a.txt'), ...first },
    { event: 'progress', transfer, name: 'b.json', bytes: 0, size: 6 },
    { event: 'stored', transfer, peer, path: join(out, 'b_bak.json'), ...second },
    { event: 'ended', transfer, files: 2, bytes: 11, complete: true },
    { event: 'done', files: 2, bytes: 11, exitCode: 0 },
  ])
  t.equal(receiver.events.all.length, 8)

  // Answers come when they come, so the sender's events are in order for each file only.
  t.match(sent.events.all[0], { event: 'connected', transfer, peer: `127.0.0.1:${receiver.port}` })
  t.match(sent.events.of('progress'), [{ name: 'a.txt' }, { name: 'b.json' }])
  t.match(sent.events.of('sent'), [
    { transfer, path: a, storedAs: 'a.txt', ...first },
    { transfer, path: b, storedAs: 'b_bak.json', ...second },
  ])
  t.match(sent.events.all.at(-2), { event: 'ended', transfer, files: 2, bytes: 11, complete: true })
  t.match(sent.events.all.at(-1), { event: 'done', files: 2, bytes: 11, exitCode: 0 })
  t.equal(sent.events.all.length, 7)
  for (const event of [...sent.events.all, ...receiver.events.all]) {
    if ('seconds' in event) t.ok(event.seconds >= 0)
  }
})

t.test('reports what has come of a file', async (t) => {
  const clock = fakePerformanceNow(t)
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, frame('H', { name: 'file', size: 9_000 }))
  for (const bytes of [0, 1024, 2048]) {
    t.match(await receiver.events.until('progress', 1 + bytes / 1024), { name: 'file', bytes, size: 9_000 })
    clock.pass(200)
    await peer.write(frame('D', Buffer.alloc(1024)))
  }
  await peer.reset()
  await receiver.stop()
})

t.test('numbers the connections, and reports failures with the number of theirs', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out') })
  const sources = [{ path: join(folder, 'a.txt'), name: '..' }]
  await trySend(t, receiver.port, sources)
  await trySend(t, receiver.port, join(folder, 'a.txt'))
  await trySend(t, receiver.port, sources)
  await receiver.stop()
  const numbers = receiver.events.all.flatMap((event) =>
    event.event === 'refused' || event.event === 'stored' ? [`${event.event} ${event.transfer}`] : [],
  )
  t.strictSame(numbers, ['refused 1', 'stored 2', 'refused 3'])
  t.match(receiver.events.of('done'), [{ files: 1, exitCode: 130 }])
})

t.test('prints nothing and leaves the exit status alone, whatever happens', async (t) => {
  const folder = t.testdir({ 'a.txt': 'text', out: {} })
  const script = `
    const { send, receive } = await import(process.env.LIBRARY)
    const signal = new AbortController()
    const port = new Promise((resolve) => {
      const onEvent = (event) => event.event === 'listening' && resolve(event.port)
      receive({ port: 0, host: '127.0.0.1', out: 'out', signal: signal.signal, onEvent }).catch(() => {})
    })
    const to = { host: '127.0.0.1', port: await port }
    await send({ ...to, sources: ['a.txt'] })
    await send({ ...to, sources: ['missing', { path: 'a.txt', name: '..' }] }).catch(() => {})
    signal.abort()
    await send({ ...to, sources: ['a.txt'] }).catch(() => {})`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    env: { ...process.env, LIBRARY: new URL('../../dist/index.js', import.meta.url).href },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  t.strictSame({ stdout, stderr, code }, { stdout: '', stderr: '', code: 0 })
  t.strictSame(filesIn(join(folder, 'out')), { 'a.txt': 'text' })
})

/** Throws at the first event of that name. */
function throwingAt(name: TransferEvent['event']): (event: TransferEvent) => void {
  let thrown = false
  return ({ event }) => {
    if (event !== name || thrown) return
    thrown = true
    throw new RangeError(`a listener failed at ${name}`)
  }
}

/** Every server and every dialling socket of a test, to see that none is left; what is left is closed in the end. */
function watchNetwork(t: Test) {
  const servers = new Set<Server>()
  const sockets = new Set<Socket>()
  const { listen } = Server.prototype
  t.intercept(Server.prototype, 'listen', {
    value(this: Server, ...args: Parameters<typeof listen>) {
      servers.add(this)
      return listen.apply(this, args)
    },
  })
  const onSocket = (message: unknown) => void sockets.add((message as { socket: Socket }).socket)
  subscribe('net.client.socket', onSocket)
  t.teardown(() => {
    unsubscribe('net.client.socket', onSocket)
    for (const server of servers) server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { isQuiet: () => [...servers].every((s) => !s.listening) && [...sockets].every((s) => s.destroyed) }
}

for (const name of ['connected', 'progress', 'sent', 'ended', 'done'] as const) {
  t.test(`rejects with what a listener of the sender throws at ${name}, and leaves nothing open`, async (t) => {
    const folder = t.testdir({ 'a.txt': 'text', out: {} })
    const receiver = await startReceiver(t, { out: join(folder, 'out') })
    const network = watchNetwork(t)
    const sending = send({
      host: '127.0.0.1',
      port: receiver.port,
      sources: [join(folder, 'a.txt')],
      onEvent: throwingAt(name),
    })
    await t.rejects(sending, { message: new RegExp(`a listener failed at ${name}`) })
    t.ok(network.isQuiet())
    await receiver.stop()
  })
}

for (const name of ['listening', 'done'] as const) {
  t.test(`rejects with what a listener of the receiver throws at ${name}, and leaves nothing open`, async (t) => {
    const folder = t.testdir({ 'a.txt': 'text', out: {} })
    const network = watchNetwork(t)
    const fail = throwingAt(name)
    let sending: Promise<unknown> = Promise.resolve()
    const onEvent = (event: TransferEvent) => {
      fail(event)
      if (event.event === 'listening') sending = trySend(t, event.port, join(folder, 'a.txt'))
    }
    const receiving = receive({ port: 0, host: '127.0.0.1', out: join(folder, 'out'), count: 1, onEvent })
    await t.rejects(receiving, { message: new RegExp(`a listener failed at ${name}`) })
    await sending
    t.ok(network.isQuiet())
    t.notOk(namesIn(join(folder, 'out')).includes('.tcp-recv'))
  })
}

for (const name of ['connected', 'progress', 'stored'] as const) {
  t.test(`fails a transfer on both sides when a listener of the receiver throws at ${name}, and goes on`, async (t) => {
    const folder = t.testdir({ 'a.txt': 'text', 'b.txt': 'text', out: {} })
    const watch = watchDescriptors()
    t.teardown(watch.restore)
    const receiver = await startReceiver(t, { out: join(folder, 'out'), onEvent: throwingAt(name) })
    const first = await trySend(t, receiver.port, join(folder, 'a.txt'))
    t.match(first.error, { code: 'refused', exitCode: 5, reason: 'internal' })
    t.notMatch(first.error?.message, 'a listener', 'the text of a bug is not for the other side')
    const second = await trySend(t, receiver.port, join(folder, 'b.txt'))
    t.match(second.summary, { files: 1 })
    await receiver.stop()
    t.strictSame(
      receiver.events.all.flatMap((event) => ('message' in event ? [event.message] : [])),
      [`internal error: a listener failed at ${name}`, 'interrupted'],
    )
    t.strictSame(watch.problems(), [], 'every descriptor was closed once')
  })
}

t.test('ends a receiver whose listener throws at a failure, and leaves nothing open', async (t) => {
  const out = t.testdir()
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const receiver = await startReceiver(t, { out, onEvent: throwingAt('failed') })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, frame('H', { name: 'half', size: 5 }))
  await receiver.events.until('progress')
  await peer.reset()
  t.match((await receiver.ended).error, { code: 'internal', message: /a listener failed at failed/ })
  t.strictSame(watch.problems(), [])
})

t.test('reports an interruption once, also where the transfer has failed for something else before', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, receiver.port)
  await peer.write(senderOpening, ...entryFrames('..', 'text'), frame('H', { name: 'half', size: 5 }))
  await receiver.events.until('progress')
  t.match((await receiver.stop()).error, { code: 'interrupted' })
  t.match(receiver.events.of('failed'), [{ transfer: 1, name: 'half', code: 'interrupted' }])
  t.equal(receiver.events.of('failed').length, 1)
})

t.test('reports the interruption of a sender once, and not for connections that were no receivers', async (t) => {
  const sender = await startSender(t, [join(t.testdir({ 'a.txt': 'text' }), 'a.txt')])
  for (const silent of [await Peer.dial(t, sender.port), await Peer.dial(t, sender.port)]) {
    await silent.next('G')
    void silent.ended.then(() => silent.finish())
  }
  t.match((await sender.stop()).error, { code: 'interrupted' })
  t.match(sender.events.of('failed'), [{ transfer: 0, code: 'interrupted' }])
  t.equal(sender.events.of('failed').length, 1)
})

t.test('does not report what ends one transfer as the failure of connections that were none', async (t) => {
  const receiver = await startReceiver(t, { out: t.testdir({ 'a.txt': 'old' }), ifExists: 'fail', oneAttempt: true })
  const silent = await Peer.dial(t, receiver.port)
  await silent.write(senderOpening)
  await silent.next('G')
  void silent.ended.then(() => silent.finish())
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(...transferFrames({ 'a.txt': 'new' }))
  t.match((await receiver.ended).error, { code: 'refused', reason: 'exists' })
  t.match(receiver.events.of('refused'), [{ transfer: 2, name: 'a.txt', reason: 'exists' }])
  t.equal(receiver.events.of('refused').length, 1)
})
