/** A chat over UDP, over real sockets. */
import { networkInterfaces } from 'node:os'
import t from 'tap'
import { datagramLimits } from '../../dist/chat/datagram-peers.js'
import { type DatagramEvent, dialDatagrams, listenForDatagrams } from '../../dist/chat/datagrams.js'
import { fakeClock } from '../fixtures/clock.ts'
import { dialling, listening, stranger } from '../fixtures/datagram-chat.ts'
import { datagramProxy, type Fate } from '../fixtures/datagram-proxy.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

t.test('two talk', async (t) => {
  const listener = await listening(t)
  const { port, address } = listener.side
  t.same(listener.events, [{ event: 'listening', address: '127.0.0.1', port }])
  const dialler = await dialling(t, port)
  t.same(dialler.side.who(), [`${address}:${port}`])
  t.same(listener.side.who(), [])
  await dialler.side.say('héllo')
  await listener.has('line')
  const peer = `127.0.0.1:${dialler.side.port}`
  t.same(listener.events.slice(1), [
    { event: 'joined', name: 'peer-1', peer },
    { event: 'line', from: 'peer-1', text: 'héllo' },
  ])
  t.same(listener.side.who(), ['peer-1'])
  await listener.side.say('hello')
  await dialler.has('line')
  t.same(dialler.events, [{ event: 'line', from: `127.0.0.1:${port}`, text: 'hello' }])
  for (const { side } of [dialler, listener]) {
    await Promise.all([side.leave(), side.leave()])
    await side.finished
  }
})

t.test('says everything before it leaves', async (t) => {
  const listener = await listening(t)
  const dialler = await dialling(t, listener.side.port)
  for (let number = 0; number < 50; number++) void dialler.side.say(`${number}`)
  await dialler.side.leave()
  await listener.has('line', 50)
  t.same(
    listener.lines,
    Array.from({ length: 50 }, (_, number) => `peer-1: ${number}`),
  )
})

t.test('answers who wrote last, and hears everybody', async (t) => {
  const listener = await listening(t)
  const [anna, bob] = [await dialling(t, listener.side.port), await dialling(t, listener.side.port)]
  await anna.side.say('anna')
  await listener.has('line')
  await bob.side.say('bob')
  await listener.has('line', 2)
  await listener.side.say('to bob')
  await anna.side.say('anna again')
  await listener.has('line', 3)
  await listener.side.say('to anna')
  await Promise.all([anna.has('line'), bob.has('line')])
  t.same(listener.lines, ['peer-1: anna', 'peer-2: bob', 'peer-1: anna again'])
  t.match(anna.events, [{ text: 'to anna' }])
  t.match(bob.events, [{ text: 'to bob' }])
  t.same([anna.events.length, bob.events.length], [1, 1])
})

t.test('answers all in a room', async (t) => {
  const listener = await listening(t, { room: true })
  const [anna, bob] = [await dialling(t, listener.side.port), await dialling(t, listener.side.port)]
  await anna.side.say('anna')
  await bob.side.say('bob')
  await listener.has('line', 2)
  await listener.side.say('to all')
  await Promise.all([anna.has('line'), bob.has('line')])
  for (const { events } of [anna, bob]) t.match(events, [{ text: 'to all' }])
})

t.test('says that nobody is there', async (t) => {
  const listener = await listening(t)
  await listener.side.say('hello')
  t.same(listener.told, ['nobody is there who could hear that'])
})

t.test('forgets who is silent for two minutes', async (t) => {
  const clock = fakeClock(t)
  const listener = await listening(t)
  const dialler = await dialling(t, listener.side.port)
  await dialler.side.say('hello')
  await listener.has('line')
  clock.advance(datagramLimits.silence)
  t.same(listener.events.at(-1), { event: 'left', name: 'peer-1', reason: 'silent for 2 minutes' })
  t.same(listener.side.who(), [])
  await dialler.side.say('hello again')
  await listener.has('line', 2)
  t.equal(listener.lines.at(-1), 'peer-2: hello again')
  await listener.side.leave()
  t.equal(clock.timers, 0, 'and waits for nobody in the end')
})

t.test('sends a line of 1,200 bytes, and none that is longer', async (t) => {
  const listener = await listening(t)
  const dialler = await dialling(t, listener.side.port)
  const error = { code: 'usage', message: 'a line has at most 1,200 bytes over UDP, and this one has 1201' }
  await t.rejects(dialler.side.say('x'.repeat(1_201)), error)
  await t.rejects(dialler.side.say(`x${'é'.repeat(600)}`), error)
  await dialler.side.say('é'.repeat(600))
  await dialler.side.say('')
  await listener.has('line', 2)
  t.same(listener.lines, [`peer-1: ${'é'.repeat(600)}`, 'peer-1: '])
})

t.test('takes from others what is no line, and escapes nothing', async (t) => {
  const listener = await listening(t)
  const { socket } = await stranger(t)
  const datagrams = [Buffer.from('one\n'), Buffer.from('two\r\nthree\n'), Buffer.from([0xff, 0x41, 0x1b])]
  for (const bytes of [...datagrams, Buffer.from('🎉'.repeat(5_000))]) {
    const before = listener.lines.length
    socket.send(bytes, listener.side.port, '127.0.0.1')
    await until(() => listener.lines.length > before)
  }
  const names = ['one', 'two', 'three', '\ufffdA\u001b', '🎉'.repeat(4_096)].map((text) => `peer-1: ${text}`)
  t.same(listener.lines, names)
})

t.test('tells the dialler that nothing listens there, and goes on', async (t) => {
  const { socket, port, said } = await stranger(t)
  await new Promise<void>((resolve) => socket.close(resolve))
  const dialler = await dialling(t, port)
  await Promise.all([dialler.side.say('lost'), dialler.side.say('lost, too')])
  await dialler.has('notice')
  const message = `127.0.0.1:${port} did not hear the last line: nothing listens there (ECONNREFUSED)`
  t.same(dialler.told, Array(dialler.told.length).fill(message))
  t.same(said, [])
  const listener = await listening(t, { port })
  await dialler.side.say('heard')
  await listener.has('line')
  t.same(listener.lines, ['peer-1: heard'], 'what was said of an earlier line costs no later one')
  await listener.side.say('hello')
  await dialler.has('line')
  await dialler.side.leave()
  await dialler.side.finished
})

t.test('fails if nobody can have heard the last line', async (t) => {
  const { socket, port } = await stranger(t)
  await new Promise<void>((resolve) => socket.close(resolve))
  const dialler = await dialling(t, port)
  void dialler.side.say('lost')
  await dialler.side.leave()
  await t.rejects(dialler.side.finished, { code: 'connect', message: /did not hear the last line: nothing listens/ })
  t.equal(dialler.told.length, 1)
})

t.test('goes on after any other failure', async (t) => {
  const listener = await listening(t)
  const dialler = await dialling(t, listener.side.port)
  const { socket } = dialler.side as unknown as { socket: import('node:dgram').Socket }
  for (let times = 0; times < 2; times++) {
    socket.emit('error', Object.assign(new Error('down'), { code: 'ENETDOWN', errno: -100 }))
  }
  t.equal(dialler.told.length, 1)
  t.match(dialler.told, [/did not hear the last line: network is down \(ENETDOWN\)$/])
  await dialler.side.say('hello')
  await listener.has('line')
  await dialler.side.leave()
  await dialler.side.finished
})

t.test('tells of a peer to which nothing can be sent', async (t) => {
  const listener = await listening(t, { host: undefined })
  const { socket } = listener.side as unknown as { socket: import('node:dgram').Socket }
  // From such an address nothing can come, and to it nothing can go.
  socket.emit('message', Buffer.from('hello'), { address: '::ffff:255.255.255.255', port: 9, family: 'IPv6', size: 5 })
  await listener.side.say('hello')
  t.match(listener.told, [/^a line could not be sent: .*\(E[A-Z]+\)$/])
  await listener.side.leave()
  await listener.side.finished
})

t.test('speaks IPv6 and IPv4 on one socket', async (t) => {
  const hasIpv6 = Object.values(networkInterfaces())
    .flat()
    .some((address) => address?.address === '::1')
  const listener = await listening(t, { host: undefined })
  const hosts = ['127.0.0.1', 'localhost', ...(hasIpv6 ? ['::1'] : [])]
  for (const [index, host] of hosts.entries()) {
    const dialler = await dialling(t, listener.side.port, host)
    await dialler.side.say(host)
    await listener.has('line', index + 1)
    await listener.side.say('hello')
    await dialler.has('line')
  }
  t.same(
    listener.lines,
    hosts.map((host, index) => `peer-${index + 1}: ${host}`),
  )
  const peers = listener.events.flatMap((event) => (event.event === 'joined' ? [event.peer] : []))
  t.match(peers, [/^127\.0\.0\.1:\d+$/, /^(127\.0\.0\.1|\[::1\]):\d+$/, ...(hasIpv6 ? [/^\[::1\]:\d+$/] : [])])
})

t.test('hears only who may write', async (t) => {
  const listener = await listening(t, { host: undefined, allowFrom: ['127.0.0.1'] })
  const { socket } = listener.side as unknown as { socket: import('node:dgram').Socket }
  const { socket: other } = await stranger(t)
  const from = { port: 9, family: 'IPv6' as const, size: 5 }
  for (const address of ['::ffff:192.0.2.1', 'nonsense', '2001:db8::1']) {
    socket.emit('message', Buffer.from('hello'), { ...from, address })
  }
  other.send('hello', listener.side.port, '127.0.0.1')
  await listener.has('line')
  t.same(listener.lines, ['peer-1: hello'])
  t.same(listener.told, ['an address that may not write is not heard (--allow-from)'], 'and says so once')
  await t.rejects(listening(t, { allowFrom: ['10.0.0.0/'] }), { code: 'usage' })
})

t.test('hears a thousand peers, and says once that there are more', async (t) => {
  const listener = await listening(t)
  const { socket } = listener.side as unknown as { socket: import('node:dgram').Socket }
  for (let port = 1; port <= 1_005; port++) {
    socket.emit('message', Buffer.from('hello'), { address: '127.0.0.1', port, family: 'IPv4', size: 5 })
  }
  t.equal(listener.lines.length, 1_000)
  t.equal(listener.side.who().length, 1_000)
  t.same(listener.told, ['there are 1,000 peers already: no others are heard'])
})

t.test('drops what a peer writes too fast, and counts it', async (t) => {
  const clock = fakeClock(t)
  const listener = await listening(t)
  const { socket } = await stranger(t)
  const other = await dialling(t, listener.side.port)
  socket.send('hello\n'.repeat(150), listener.side.port, '127.0.0.1')
  await listener.has('line', 100)
  await other.side.say('not me')
  await listener.has('line', 101)
  t.equal(listener.lines.at(-1), 'peer-2: not me', 'nobody else is held up')
  clock.advance(1_000)
  socket.send('again', listener.side.port, '127.0.0.1')
  await listener.has('line', 102)
  t.same(listener.events.slice(-2), [
    { event: 'dropped', from: 'peer-1', lines: 50 },
    { event: 'line', from: 'peer-1', text: 'again' },
  ])
  socket.send('hello\n'.repeat(150), listener.side.port, '127.0.0.1')
  await listener.has('line', 121)
  clock.advance(datagramLimits.silence)
  t.same(
    listener.events.filter(({ event }) => event === 'dropped').at(-1),
    { event: 'dropped', from: 'peer-1', lines: 131 },
    'what was dropped last is told when the peer is forgotten',
  )
})

for (const outcome of ['resolves', 'rejects']) {
  t.test(`drops lines as long as nobody reads, until that ${outcome}`, async (t) => {
    const events: DatagramEvent[] = []
    let goOn: () => void = () => {}
    const drained = new Promise<void>((resolve, reject) => {
      goOn = () => (outcome === 'resolves' ? resolve() : reject(new Error('closed')))
    })
    const onEvent = (event: DatagramEvent) => {
      events.push(event)
      return event.event === 'line' && event.text === 'one' ? drained : undefined
    }
    const listener = await listenForDatagrams({ host: '127.0.0.1', port: 0, onEvent })
    t.teardown(() => listener.leave())
    const { socket } = await stranger(t)
    const send = (text: string) => socket.send(text, listener.port, '127.0.0.1')
    const lines = () => events.flatMap((event) => (event.event === 'line' ? [event.text] : []))
    send('one\ntwo\nthree')
    await until(() => lines().length === 1)
    goOn()
    await settle()
    send('four')
    await until(() => lines().length === 2)
    t.same(lines(), ['one', 'four'])
    t.same(events.at(-2), { event: 'dropped', from: 'peer-1', lines: 2 })
  })
}

t.test('tells in the end what was dropped last', async (t) => {
  fakeClock(t)
  const listener = await listening(t)
  const dialler = await dialling(t, listener.side.port)
  const flood = Buffer.from('hello\n'.repeat(150))
  for (const { side, has, events } of [listener, dialler]) {
    const { socket } = side as unknown as { socket: import('node:dgram').Socket }
    const { address, port } = dialler.side
    socket.emit('message', flood, { address, port, family: 'IPv4', size: flood.length })
    await has('line', 100)
    t.notOk(events.some(({ event }) => event === 'dropped'))
    await side.leave()
    t.match(events.at(-1), { event: 'dropped', lines: 50 })
  }
})

t.test('fails where it cannot listen or send', async (t) => {
  const onEvent = () => t.fail('nothing happens')
  const taken = await listening(t)
  const cannotListen = /^cannot listen on 127\.0\.0\.1:\d+: something listens there already/
  const { port } = taken.side
  await t.rejects(listenForDatagrams({ host: '127.0.0.1', port, onEvent }), { code: 'connect', message: cannotListen })
  await t.rejects(listenForDatagrams({ port: 70_000, onEvent }), { code: 'usage' })
  await t.rejects(listenForDatagrams({ host: 'no.invalid', port: 0, onEvent }), { code: 'connect' })
  const cannotSend = /^cannot send to no\.invalid:9: /
  await t.rejects(dialDatagrams({ host: 'no.invalid', port: 9, onEvent }), { code: 'connect', message: cannotSend })
  await t.rejects(dialDatagrams({ host: '127.0.0.1', port: undefined, onEvent }), { code: 'usage' })
  await t.rejects(dialDatagrams({ host: '255.255.255.255', port: 9, onEvent }), { code: 'connect' })
})

t.test(
  'over a network that loses, doubles and reorders, each line arrives as often as the network lets it',
  async (t) => {
    const listener = await listening(t)
    const fates: Fate[] = ['arrives', 'late', 'lost', 'doubled', 'arrives']
    const proxy = await datagramProxy(t, listener.side.port, (number) => fates[number % 5] as Fate)
    const dialler = await dialling(t, proxy.port)
    for (let number = 0; number < 50; number++) await dialler.side.say(`there ${number}`)
    await listener.has('line', 50)
    for (let number = 0; number < 50; number++) await listener.side.say(`back ${number}`)
    await dialler.has('line', 50)
    await settle()
    t.same(proxy.counts, { arrives: 40, late: 20, lost: 20, doubled: 20 })
    for (const [{ lines }, from, word] of [
      [listener, 'peer-1', 'there'],
      [dialler, `127.0.0.1:${proxy.port}`, 'back'],
    ] as const) {
      const five = (first: number) => [first, first + 3, first + 3, first + 1, first + 4]
      const numbers = Array.from({ length: 10 }, (_, index) => five(5 * index)).flat()
      t.same(
        lines,
        numbers.map((number) => `${from}: ${word} ${number}`),
      )
    }
    t.equal(await stateOf(dialler.side.finished), 'pending')
  },
)
