import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/index.js'
import { type DialOptions, dial } from '../../dist/net/dial.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { unusedPlace } from '../fixtures/ports.ts'
import { stateOf } from '../fixtures/turns.ts'

async function listening(t: Test, port = 0, host = '127.0.0.1'): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    t.teardown(() => socket.destroy())
    socket.resume()
  })
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

/** Calls `look` with every socket that dials, before anyone else listens to it. */
function onDial(t: Test, look: (socket: Socket, attempt: number) => void): { attempts: number } {
  const seen = { attempts: 0 }
  const listener = (message: unknown) => look((message as { socket: Socket }).socket, ++seen.attempts)
  subscribe('net.client.socket', listener)
  t.teardown(() => unsubscribe('net.client.socket', listener))
  return seen
}

/** Where nobody listens, with a host of its own so that nobody else will. */
async function nowhere(): Promise<{ host: string; port: number }> {
  const { host, port } = await unusedPlace()
  return { host, port: Number(port) }
}

async function dialling(port: number, options: Partial<DialOptions> = {}): Promise<Socket> {
  const { signal } = new AbortController()
  const all = { host: '127.0.0.1', port, timeout: 60_000, wait: 0, signal, partner: 'receiver' as const, ...options }
  return (await dial(all)).socket
}

async function errorOf(t: Test, connecting: Promise<Socket>): Promise<TransferError> {
  const error = await connecting.then(
    () => t.fail('it connected'),
    (thrown) => thrown,
  )
  t.ok(error instanceof TransferError)
  return error
}

t.test('connects, and keeps its own direction when the other side ends', async (t) => {
  const { server, port } = await listening(t)
  server.on('connection', (socket) => socket.end())
  const socket = await dialling(port)
  t.teardown(() => socket.destroy())
  socket.resume()
  await once(socket, 'end')
  t.ok(socket.writable)
})

t.test('says that nothing listens there', async (t) => {
  const { host, port } = await nowhere()
  const seen = onDial(t, () => {})
  const { code, exitCode, message } = await errorOf(t, dialling(port, { host }))
  t.equal(code, 'connect')
  t.equal(exitCode, 3)
  t.equal(
    message,
    `cannot connect to ${host}:${port}: nothing listens there (is tcp-recv running? --wait SECONDS waits for it) (ECONNREFUSED)`,
  )
  t.equal(seen.attempts, 1, 'without wait it tries once')
})

t.test('says whom it would have met', async (t) => {
  const { host, port } = await nowhere()
  const { message } = await errorOf(t, dialling(port, { host, partner: 'sender' }))
  t.match(message, 'nothing listens there (is tcp-send --listen running? --wait SECONDS waits for it) (ECONNREFUSED)')
})

t.test('does not try what is no port', async (t) => {
  const seen = onDial(t, () => {})
  for (const port of [-1, 65_536, 1.5, Number.NaN]) {
    const { code, message } = await errorOf(t, dialling(port, { wait: 600_000 }))
    t.equal(code, 'usage')
    t.equal(message, `port must be a whole number from 0 to 65535, not ${port}`)
  }
  t.equal(seen.attempts, 0)
})

t.test('says that a name cannot be resolved', async (t) => {
  const { code, message } = await errorOf(t, dialling(9, { host: 'nope.invalid' }))
  t.equal(code, 'connect')
  t.match(message, /^cannot connect to nope\.invalid:9: .+ \((ENOTFOUND|EAI_AGAIN)\)$/)
})

t.test('gives the words of the system for what has no hint', async (t) => {
  const { code, message } = await errorOf(t, dialling(9, { host: 'fe80::1' }))
  t.equal(code, 'connect')
  t.match(message, /^cannot connect to \[fe80::1\]:9: .+ \(E\w+\)$/)
})

t.test('shows an error without a code as it is', async (t) => {
  const { port } = await listening(t)
  onDial(t, (socket) => socket.destroy(new Error('something odd')))
  const { message } = await errorOf(t, dialling(port))
  t.equal(message, `cannot connect to 127.0.0.1:${port}: something odd`)
})

t.test('keeps trying until the listener is there', async (t) => {
  const { host, port } = await nowhere()
  const seen = onDial(t, (socket, attempt) => {
    if (attempt === 2) socket.once('error', () => void listening(t, port, host))
  })
  const socket = await dialling(port, { host, wait: 600_000 })
  t.equal(socket.remotePort, port)
  t.ok(seen.attempts > 2)
  socket.destroy()
})

t.test('tries again soon at first, and then once a second', async (t) => {
  const { host, port } = await nowhere()
  const controller = new AbortController()
  const pauses: number[] = []
  const { dial } = await t.mockImport<typeof import('../../dist/net/dial.js')>('../../dist/net/dial.js', {
    'node:timers/promises': {
      setTimeout: async (pause: number) => {
        if (pauses.push(pause) === 7) controller.abort()
      },
    },
  })
  const options = {
    host,
    port,
    timeout: 60_000,
    wait: 600_000,
    signal: controller.signal,
    partner: 'receiver',
  } as const
  await t.rejects(dial(options), { code: 'interrupted' })
  t.strictSame(pauses, [50, 100, 200, 400, 800, 1_000, 1_000])
})

t.test('says once that it waits, and why, as soon as the first try has failed', async (t) => {
  const { host, port } = await nowhere()
  const told: string[] = []
  const seen = onDial(t, (socket, attempt) => {
    if (attempt === 3) socket.once('error', () => void listening(t, port, host))
  })
  const onWaiting = ({ message }: TransferError) => void told.push(`after ${seen.attempts}: ${message}`)
  const socket = await dialling(port, { host, wait: 600_000, onWaiting })
  socket.destroy()
  const why = `cannot connect to ${host}:${port}: nothing listens there (is tcp-recv running?) (ECONNREFUSED)`
  t.strictSame(told, [`after 1: ${why}`])
})

t.test('does not advise to start what was there before', async (t) => {
  const { host, port } = await nowhere()
  const { message } = await errorOf(t, dialling(port, { host, isAgain: true }))
  t.equal(message, `cannot connect to ${host}:${port}: nothing listens there (ECONNREFUSED)`)
})

t.test('does not say that it waits when it does not', async (t) => {
  const onWaiting = () => t.fail('it waits for nothing')
  const [{ host, port }, there] = [await nowhere(), await listening(t)]
  t.match(await errorOf(t, dialling(port, { host, onWaiting })), { code: 'connect' })
  const socket = await dialling(there.port, { wait: 600_000, onWaiting })
  socket.destroy()
})

t.test('gives up with the last error when the time to wait is over', async (t) => {
  const { host, port } = await nowhere()
  const clock = fakePerformanceNow(t)
  const seen = onDial(t, (_socket, attempt) => {
    if (attempt === 2) clock.pass(80)
  })
  const { code, message } = await errorOf(t, dialling(port, { host, wait: 80 }))
  t.equal(code, 'connect')
  t.match(message, /nothing listens there \(is tcp-recv running\?\) \(ECONNREFUSED\)$/)
  t.equal(seen.attempts, 2)
})

t.test('gives up a try that takes too long', async (t) => {
  const { port } = await listening(t)
  const connecting = dialling(port, { timeout: 1 })
  // The event loop looks at its timers before its sockets, so after this the time is over before the answer is seen.
  for (const start = performance.now(); performance.now() < start + 5; );
  const { code, message } = await errorOf(t, connecting)
  t.equal(code, 'connect')
  t.equal(message, `cannot connect to 127.0.0.1:${port}: no answer (a firewall?) (ETIMEDOUT)`)
})

t.test('does not begin when it is interrupted already', async (t) => {
  const { port } = await listening(t)
  const seen = onDial(t, () => {})
  const { code } = await errorOf(t, dialling(port, { signal: AbortSignal.abort() }))
  t.equal(code, 'interrupted')
  t.equal(seen.attempts, 0)
})

for (const wait of [0, 600_000]) {
  t.test(`is interrupted while it connects and may wait for ${wait} ms`, async (t) => {
    const { port } = await listening(t)
    const controller = new AbortController()
    const sockets: Socket[] = []
    const seen = onDial(t, (socket) => sockets.push(socket))
    const connecting = dialling(port, { signal: controller.signal, wait })
    controller.abort(new TransferError('terminated', 'terminated by SIGTERM'))
    const error = await errorOf(t, connecting)
    t.equal(error, controller.signal.reason, 'the reason of the signal is what it throws')
    t.equal(seen.attempts, 1)
    t.strictSame(
      sockets.map((socket) => socket.destroyed),
      [true],
    )
  })
}

t.test('is interrupted in the pause between two tries', async (t) => {
  const { host, port } = await nowhere()
  const controller = new AbortController()
  const seen = onDial(t, (socket) => {
    // One turn later the failure has been seen and the pause has begun.
    socket.once('error', () => void turn().then(() => controller.abort()))
  })
  const connecting = dialling(port, { host, signal: controller.signal, wait: 600_000 })
  connecting.catch(() => {})
  await once(controller.signal, 'abort')
  t.equal(await stateOf(connecting), 'rejected', 'the pause is over at once')
  const { code, exitCode } = await errorOf(t, connecting)
  t.equal(code, 'interrupted')
  t.equal(exitCode, 130)
  t.equal(seen.attempts, 1)
})
