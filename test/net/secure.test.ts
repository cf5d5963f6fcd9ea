/** The handshake with a key, over real sockets: what is not taken, and what each failure is called. */
import { EventEmitter, once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { constants } from 'node:os'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/errors.js'
import { type Key, keysOf } from '../../dist/keys.js'
import { judge, judgeNextBytes, turnAway } from '../../dist/net/first-bytes.js'
import { Gatherer } from '../../dist/net/gather.js'
import { checkNode, secureAccepted, secureDialled } from '../../dist/net/secure.js'
import { BUSY_ALERT, diallerError, listenerError, noKeyError } from '../../dist/net/tls-errors.js'
import { fakeClock } from '../fixtures/clock.ts'
import { key } from '../fixtures/keys.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

const keys = keysOf(key)
const [own] = keys as [Key]
const { errno } = constants
const judgeFirst = (bytes: Buffer) => judge(bytes, noKeyError())

/** The two sockets of a connection. */
async function sockets(t: Test): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, allowHalfOpen: true })
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown]
  server.close()
  t.teardown(() => {
    near.destroy()
    far.destroy()
  })
  return { near, far }
}

const options = (deadline = 60_000, signal = new AbortController().signal) =>
  ({ dialler: 'sender', deadline, signal }) as const

/** The error of a handshake that must fail. */
async function failure(handshake: Promise<unknown>): Promise<TransferError> {
  return await handshake.then(
    () => {
      throw new Error('it was taken')
    },
    (error: TransferError) => error,
  )
}

t.test('needs a version of Node.js in which keys are safe', async (t) => {
  for (const version of ['20.20.0', '20.21.1', '22.22.0', '24.13.0', '25.0.0', '26.1.0']) {
    t.doesNotThrow(() => checkNode(version), version)
  }
  for (const version of ['18.20.8', '20.19.9', '21.99.0', '22.21.1', '23.11.0', '24.12.9']) {
    const message = `a key needs Node.js 20.20+, 22.22+, 24.13 or later; this is ${version}`
    t.throws(() => checkNode(version), new TransferError('usage', message), version)
  }
})

t.test('waits no longer than the deadline, on both sides', async (t) => {
  const clock = fakeClock(t)
  const message = 'the other side has not proved a key within 10 seconds; is it tcp-send, tcp-recv or tcp-chat?'
  for (const shake of [
    (socket: Socket) => secureDialled(socket, own, options(10_000)),
    (socket: Socket) => secureAccepted(socket, own, options(10_000)),
  ]) {
    const { near, far } = await sockets(t)
    const ended = once(far.on('error', () => {}).resume(), 'end')
    const failing = failure(shake(near))
    clock.advance(9_999)
    t.equal(await stateOf(failing), 'pending')
    clock.advance(1)
    t.match(await failing, { code: 'timeout', message })
    await ended
    t.equal(clock.timers, 0)
  }
})

t.test('ends at once when it is interrupted, also before it has begun', async (t) => {
  for (const isBefore of [true, false]) {
    const { near } = await sockets(t)
    const controller = new AbortController()
    if (isBefore) controller.abort()
    const failing = failure(secureDialled(near, own, options(60_000, controller.signal)))
    controller.abort()
    t.match(await failing, { code: 'interrupted' })
    t.ok(near.destroyed)
  }
})

t.test('calls each way to fail by its cause', async (t) => {
  const words: [Buffer, Record<string, unknown>][] = [
    [BUSY_ALERT, { code: 'refused', reason: 'busy', exitCode: 5 }],
    [Buffer.from([0x15, 3, 3, 0, 2, 2, 115]), { code: 'key', message: /the other side has no key/ }],
    [Buffer.from([0x15, 3, 3, 0, 2, 2, 51]), { code: 'key', message: /does not take this key/ }],
    [Buffer.from([0x15, 3, 3, 0, 2, 2, 40]), { code: 'key', message: /does not take this key/ }],
    [Buffer.from([0x15, 3, 3, 0, 2, 2, 80]), { code: 'key', message: /so nothing was sent/ }],
    [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), { code: 'key', message: /so nothing was sent/ }],
    [Buffer.alloc(0), { code: 'incomplete', reason: 'broken' }],
  ]
  for (const [answer, expected] of words) {
    const { near, far } = await sockets(t)
    far.on('error', () => {}).resume()
    far.end(answer)
    t.match(await failure(secureDialled(near, own, options())), expected)
  }
  for (const code of ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED']) {
    const cause = Object.assign(new Error('broken'), { code })
    for (const describe of [diallerError, listenerError])
      t.match(describe(cause), { code: 'incomplete', reason: 'broken', message: new RegExp(`\\(${code}\\)$`), cause })
  }
  const { near, far } = await sockets(t)
  near.end(Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0, 0]))
  near.resume()
  const said = {
    code: 'key',
    message: 'the other side speaks TLS, but is no tcp-send, tcp-recv or tcp-chat with a key',
  }
  t.match(await failure(secureAccepted(far, own, options())), said)
})

t.test('judges the first bytes within the deadline, however they come and end', async (t) => {
  const clock = fakeClock(t)
  const { near, far } = await sockets(t)
  const silent = judgeNextBytes(far, 10_000, judgeFirst)
  near.write('tcp-')
  await settle(50)
  clock.advance(10_000)
  t.match(await silent, { code: 'timeout', message: 'no complete header within 10 seconds' })
  turnAway(far, Buffer.from('go away'))
  // The peer neither reads nor closes.
  await settle(50)
  t.notOk(far.destroyed)
  clock.advance(1_000)
  t.ok(far.destroyed, 'it is not waited for')
  await once(far, 'close')
  t.equal(clock.timers, 0)
  const slow = await sockets(t)
  const hello = judgeNextBytes(slow.far, 10_000, judgeFirst)
  for (const byte of [0x16, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3]) {
    slow.near.write(Buffer.from([byte]))
    await settle(20)
  }
  t.strictSame(await hello, Buffer.from([1, 0, 0, 2, 3, 3]), 'a whole first message')
  const second = await sockets(t)
  const broken = judgeNextBytes(second.far, 10_000, judgeFirst)
  second.near.write('tcp')
  await settle(50)
  second.near.resetAndDestroy()
  t.match(await failure(broken), { code: 'incomplete', reason: 'broken' })
  t.equal(clock.timers, 0)
})

t.test('reads by events where the properties of the socket are missing', async (t) => {
  const taken: string[] = []
  for (const handle of [undefined, null, {}, { useUserBuffer: () => t.fail('it has no place for the bytes') }]) {
    const socket = Object.assign(new EventEmitter(), { _handle: handle })
    const gatherer = new Gatherer(socket as unknown as TLSSocket, (bytes) => taken.push(String(bytes)))
    gatherer.read(() => socket.emit('data', Buffer.from('a piece')))
  }
  t.strictSame(taken, ['a piece', 'a piece', 'a piece', 'a piece'])
})

t.test('takes no other key than the one of the first message', async (t) => {
  const [other] = keysOf('8d3e1b6f0a97c2544be1f7630c9d28a5') as [Key]
  const { near, far } = await sockets(t)
  const [dialled, accepted] = await Promise.all([
    failure(secureDialled(near, own, options())),
    failure(secureAccepted(far, other, options())),
  ])
  t.match(dialled, { code: 'key', message: /does not take this key/ })
  t.match(accepted, { code: 'key' })
})

t.test('takes nobody whose key was not used, even if the handshake succeeds', { timeout: 20_000 }, async (t) => {
  const { TLSSocket } = await import('node:tls')
  const { isSessionReused } = TLSSocket.prototype
  t.teardown(() => Object.assign(TLSSocket.prototype, { isSessionReused }))
  for (const side of ['dialled', 'dialled, as Node.js sees it', 'accepted'] as const) {
    const { near, far } = await sockets(t)
    // Node.js itself asks first where it has dialled.
    let asked = 0
    Object.assign(TLSSocket.prototype, {
      isSessionReused(this: TLSSocket & { _tlsOptions: { isServer?: boolean } }) {
        const isDialled = this._tlsOptions.isServer !== true
        if (isDialled) return side === 'accepted' || (side === 'dialled' && ++asked === 1)
        return side !== 'accepted'
      },
    })
    const both = [secureDialled(near, own, options()), secureAccepted(far, own, options())]
    const [dialled, accepted] = await Promise.allSettled(both)
    const outcome = side === 'accepted' ? accepted : dialled
    t.match(outcome, { status: 'rejected', reason: { code: 'key' } }, side)
    for (const ended of [dialled, accepted]) if (ended?.status === 'fulfilled') ended.value.stream.destroy()
  }
})

t.test('calls a connection broken that breaks with the last message of the handshake', async (t) => {
  const { near, far } = await sockets(t)
  const { _handle: handle } = near as unknown as { _handle: { writeBuffer: (...args: unknown[]) => number } }
  const { writeBuffer } = handle
  let messages = 0
  handle.writeBuffer = (...args) => (++messages === 2 ? -errno.ECONNRESET : writeBuffer.apply(handle, args))
  const fetching = { ...options(), dialler: 'receiver' } as const
  const accepting = failure(secureAccepted(far, own, fetching))
  const { stream } = await secureDialled(near, own, fetching)
  const [error] = await once(stream, 'error')
  t.match(error, { code: 'ECONNRESET' })
  t.match(await accepting, { code: 'incomplete', reason: 'broken' })
})
