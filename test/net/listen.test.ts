import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { type AddressInfo, connect, Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/index.js'
import { feed } from '../../dist/net/feed.js'
import { listen, listenOn } from '../../dist/net/listen.js'
import { Turn } from '../../dist/net/turn.js'

async function listening(t: Test, onConnection: (socket: Socket) => void = () => {}) {
  const server = await listen({ host: '127.0.0.1', port: 0, onConnection })
  t.teardown(() => server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

async function errorOf(t: Test, options: { host?: string; port: number }): Promise<TransferError> {
  const error = await listen({ ...options, onConnection: () => {} }).then(
    () => t.fail('it listens'),
    (thrown) => thrown,
  )
  t.ok(error instanceof TransferError)
  t.equal(error.code, 'connect')
  t.equal(error.exitCode, 3)
  return error
}

/** All that the other side has said is 'hello'; and after its end this side can still speak. */
async function keepsItsDirection(t: Test, socket: Socket): Promise<void> {
  let said = ''
  const take = (bytes: Buffer) => {
    said += bytes
  }
  feed(socket, take, new Turn())
  await once(socket, 'end')
  t.equal(said, 'hello')
  t.ok(socket.writable)
}

t.test('does not try what is no port', async (t) => {
  for (const port of [-1, 65_536, 1.5]) {
    const message = `port must be a whole number from 0 to 65535, not ${port}`
    await t.rejects(listen({ port, onConnection: () => {} }), { code: 'usage', exitCode: 2, message })
  }
})

t.test('picks a free port and hands over the connections that come to it', async (t) => {
  const came = new Promise<Socket>((resolve) => {
    void listening(t, resolve).then(({ port }) => {
      t.not(port, 0)
      const client = connect({ host: '127.0.0.1', port })
      client.end('hello')
      t.teardown(() => client.destroy())
    })
  })
  const socket = await came
  t.teardown(() => socket.destroy())
  t.ok(socket.allowHalfOpen, 'its own direction stays open when the other side ends')
  await keepsItsDirection(t, socket)
})

t.test('hands over a connection that keeps its own direction, also where large reads cannot be had', async (t) => {
  const { listen } = await t.mockImport<typeof import('../../dist/net/listen.js')>('../../dist/net/listen.js', {
    '../../dist/net/feed.js': { withLargeReads: (socket: Socket) => socket },
  })
  const came = new Promise<Socket>((resolve) => {
    void listen({ host: '127.0.0.1', port: 0, onConnection: resolve }).then((server) => {
      t.teardown(() => server.close())
      const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
      client.end('hello')
      t.teardown(() => client.destroy())
    })
  })
  const socket = await came
  t.teardown(() => socket.destroy())
  t.ok(socket.isPaused(), 'nothing is read before it is fed from')
  await keepsItsDirection(t, socket)
})

t.test('says that a port is taken', async (t) => {
  const { port } = await listening(t)
  const { message } = await errorOf(t, { host: '127.0.0.1', port })
  t.equal(
    message,
    `cannot listen on 127.0.0.1:${port}: something listens there already (--port 0 picks a free port) (EADDRINUSE)`,
  )
})

t.test('shows every interface as * in an error', async (t) => {
  const server = await listen({ port: 0, onConnection: () => {} })
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const { message } = await errorOf(t, { port })
  t.match(message, `cannot listen on *:${port}: something listens there already`)
})

t.test('says that this machine has no such address', async (t) => {
  // Set apart for documentation (RFC 5737), so no machine has it.
  const { message } = await errorOf(t, { host: '192.0.2.1', port: 0 })
  t.equal(message, 'cannot listen on 192.0.2.1:0: this machine has no such address (EADDRNOTAVAIL)')
})

t.test('gives the words of the system for what has no hint', async (t) => {
  // A link-local address means nothing without the link.
  const { message } = await errorOf(t, { host: 'fe80::1', port: 0 })
  t.match(message, /^cannot listen on \[fe80::1\]:0: .+ \(E\w+\)$/)
})

t.test('says that a name cannot be resolved', async (t) => {
  const { message } = await errorOf(t, { host: 'nope.invalid', port: 0 })
  t.match(message, /^cannot listen on nope\.invalid:0: .+ \((ENOTFOUND|EAI_AGAIN)\)$/)
})

t.test('shows an error without a code as it is', async (t) => {
  t.intercept(Server.prototype, 'listen', {
    value(this: Server) {
      this.emit('error', new Error('something odd'))
      return this
    },
  })
  const { message } = await errorOf(t, { host: '127.0.0.1', port: 0 })
  t.match(message, /^cannot listen on 127\.0\.0\.1:0: something odd/)
})

t.test('goes on listening when one connection could not be accepted', async (t) => {
  const came = new Promise<Socket>((resolve) => {
    void listening(t, resolve).then(({ server, port }) => {
      server.emit('error', Object.assign(new Error('too many open files'), { code: 'EMFILE' }))
      const client = connect({ host: '127.0.0.1', port })
      t.teardown(() => client.destroy())
    })
  })
  const socket = await came
  t.ok(socket.remotePort)
  socket.destroy()
})

t.test('says which of the passed sockets is none', async (t) => {
  const fd = openSync(fileURLToPath(import.meta.url), 'r')
  t.teardown(() => closeSync(fd))
  const message = new RegExp(`^cannot listen on the socket passed as descriptor ${fd}: .*\\(E\\w+\\)$`)
  await t.rejects(
    listenOn(fd, () => {}),
    { code: 'connect', exitCode: 3, message },
  )
})
