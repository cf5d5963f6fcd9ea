/** What a listener makes of the first message of a TLS client, before TLS sees it. */
import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import fc from 'fast-check'
import t from 'tap'
import { type Key, keysOf } from '../../dist/keys.js'
import { identityOf, provedKey } from '../../dist/net/hello.js'
import { key } from '../fixtures/keys.ts'

const [own] = keysOf(key) as [Key]
const others = keysOf([
  { name: 'ann', key: '8d3e1b6f0a97c2544be1f7630c9d28a5' },
  { name: 'bob', key: 'f21b7c5e9a4d0386e5c8b1a2973f640d' },
])

/** The first message of the TLS of Node.js, without the header of its record. */
function hello(identity: string, psk: Buffer, options: ConnectionOptions = {}): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(bytes: Buffer, _encoding, done) {
        done()
        resolve(Buffer.from(bytes.subarray(5)))
      },
    })
    const pskCallback = () => ({ psk, identity })
    const only = { minVersion: 'TLSv1.3', ciphers: 'TLS_CHACHA20_POLY1305_SHA256', ecdhCurve: 'X25519' } as const
    const tls = connect({ socket: wire, ...only, pskCallback, checkServerIdentity: () => undefined, ...options })
    tls.on('error', () => {})
  })
}

t.test('finds the key that a peer has proved, among several', async (t) => {
  for (const dialler of ['sender', 'receiver'] as const) {
    for (const one of [own, ...others]) {
      const message = await hello(identityOf(one, dialler), one.psk(dialler))
      t.equal(provedKey(message, [...others, own], dialler), one)
    }
  }
})

t.test('says what is wrong with every other peer', async (t) => {
  const [ann] = others as [Key]
  const noPeer = 'the other side speaks TLS, but is no tcp-send, tcp-recv or tcp-chat with a key'
  const cases: [string, Buffer, string][] = [
    [identityOf(ann, 'sender'), ann.psk('sender'), 'the other side has another key; compare both with --fingerprint'],
    [identityOf(own, 'sender'), ann.psk('sender'), noPeer],
    [identityOf(own, 'sender'), own.psk('receiver'), noPeer],
    [identityOf(own, 'receiver'), own.psk('receiver'), 'the other side is a receiver, as this side is'],
    [
      `tcp-transfer/2 sender ${own.id}`,
      own.psk('sender'),
      'the other side uses keys in a way that this version does not know',
    ],
    [
      `tcp-transfer/1 listener ${own.id}`,
      own.psk('sender'),
      'the other side uses keys in a way that this version does not know',
    ],
    [identityOf(own, 'chat'), own.psk('chat'), 'the other side is a chat, and this side is a receiver'],
  ]
  for (const [identity, psk, message] of cases) {
    t.match(provedKey(await hello(identity, psk), [own], 'sender'), { code: 'key', message })
  }
  t.match(provedKey(await hello(identityOf(own, 'receiver'), own.psk('receiver')), [own], 'sender'), {
    message: 'the other side is a receiver, as this side is',
  })
  t.match(provedKey(await hello(identityOf(own, 'sender'), own.psk('sender')), [own], 'receiver'), {
    message: 'the other side is a sender, as this side is',
  })
  const browser = await hello('', Buffer.alloc(32), { pskCallback: undefined })
  t.match(provedKey(browser, [own], 'sender'), { code: 'key', message: noPeer })
})

t.test('takes no message that was changed or cut anywhere', async (t) => {
  const message = await hello(identityOf(own, 'sender'), own.psk('sender'))
  const property = fc.property(fc.nat(message.length * 8 - 1), (bit) => {
    const changed = Buffer.from(message)
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
    return 'code' in provedKey(changed, [own], 'sender')
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1_000 }))
  for (let length = 0; length < message.length; length++) {
    if (!('code' in provedKey(message.subarray(0, length), [own], 'sender'))) t.fail(`${length} bytes`)
  }
})

t.test('survives any bytes', async (t) => {
  const message = await hello(identityOf(own, 'sender'), own.psk('sender'))
  const place = fc.nat(message.length)
  const bytes = fc.uint8Array({ maxLength: 400 })
  const property = fc.property(bytes, place, place, (any, from, to) => {
    const mixed = Buffer.concat([message.subarray(0, from), any, message.subarray(to)])
    return mixed.equals(message) || 'code' in provedKey(mixed, [own], 'sender')
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2_000 }))
})
