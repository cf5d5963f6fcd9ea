/** The headers of proxies: version 1 and 2, whole and cut, right and wrong. */
import fc from 'fast-check'
import t from 'tap'
import { readProxyHeader } from '../../dist/net/proxy-header.js'
import { proxyAddresses, proxyBinary, proxyCheck, proxyField, proxyLine } from '../fixtures/proxy-headers.ts'

const IPV4 = 0x11
const IPV6 = 0x21
const four = proxyAddresses([198, 51, 100, 7], 4711)
const sixteen = [0x20, 1, 0xd, 0xb8, ...Array.from({ length: 11 }, () => 0), 5]
const rest = Buffer.from('tcp-send')

const right: [title: string, header: Buffer, source: unknown, isCheck?: boolean][] = [
  ['a line for IPv4', proxyLine('198.51.100.7', 4711), { address: '198.51.100.7', port: 4711 }],
  ['a line for IPv6', proxyLine('2001:db8::5', 65_535), { address: '2001:db8::5', port: 65_535 }],
  ['a line of a proxy that does not know', Buffer.from('PROXY UNKNOWN\r\n'), null],
  ['the same with whatever else it says', Buffer.from('PROXY UNKNOWN ff:: ff:: 1 2\r\n'), null],
  ['version 2 for IPv4', proxyBinary(IPV4, [four]), { address: '198.51.100.7', port: 4711 }],
  ['version 2 for IPv6', proxyBinary(IPV6, [proxyAddresses(sixteen, 1)]), { address: '2001:db8::5', port: 1 }],
  ['version 2 for a UNIX socket', proxyBinary(0x31, [Buffer.alloc(216)]), null],
  ['version 2 for datagrams', proxyBinary(0x12, [four]), null],
  ['version 2 without an address', proxyBinary(0, [Buffer.alloc(9)]), null],
  ['a check', proxyCheck, null, true],
  ['a check with addresses', proxyBinary(IPV4, [four], 0x20), null, true],
  [
    'other fields, empty and not',
    proxyBinary(IPV4, [four, proxyField(1, Buffer.from('h2')), proxyField(4, Buffer.alloc(0)), proxyField(3, rest)]),
    { address: '198.51.100.7', port: 4711 },
  ],
]

t.test('reads a header, and only it', async (t) => {
  for (const [title, header, source, isCheck = false] of right) {
    const expected = { length: header.length, source, isCheck }
    t.strictSame(readProxyHeader(Buffer.concat([header, rest])), expected, title)
    for (let length = 0; length < header.length; length++)
      t.equal(readProxyHeader(header.subarray(0, length)), undefined, `${title}, cut`)
  }
})

t.test('refuses what is no header', async (t) => {
  const cutOff = /wrong PROXY header: its addresses are cut off/
  const field = /wrong PROXY header: a field is cut off/
  const wrong: [Buffer, RegExp][] = [
    [rest, /must begin with a PROXY header/],
    [Buffer.from('\r\n\r\r'), /must begin with a PROXY header/],
    [Buffer.from('proxy TCP4 '), /must begin with a PROXY header/],
    [Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`), /its line has no end/],
    [Buffer.from(`PROXY UNKNOWN ${'1'.repeat(92)}\r\n`), /its line has no end/],
    [Buffer.from('PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n'), /not as version 1 has it/],
    [Buffer.from('PROXY\u0020\r\n'), /not as version 1 has it/],
    [Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n'), /not as version 1 has it/],
    [Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n'), /not as version 1 has it/],
    [Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n'), /a wrong port/],
    [Buffer.from('PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n'), /a wrong address/],
    [Buffer.from('PROXY TCP4 1.2.3.4 localhost 1 2\r\n'), /a wrong address/],
    [proxyLine('::1', 1, 'TCP4'), /a wrong address/],
    [Buffer.from('PROXY TCP6 1.2.3.4 ::1 1 2\r\n'), /a wrong address/],
    [Buffer.from('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'), /a wrong address/],
    [proxyLine('1.2.3.4', 65_536), /a wrong port/],
    [Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 02\r\n'), /a wrong port/],
    [proxyBinary(IPV4, [four], 0x11), /another version than 2/],
    [proxyBinary(IPV4, [four], 0x22), /unknown command/],
    [proxyBinary(IPV4, [Buffer.alloc(4081)]), /more than 4096 bytes/],
    [proxyBinary(IPV4, [four.subarray(1)]), cutOff],
    [proxyBinary(IPV6, [four]), cutOff],
    [proxyBinary(IPV4, [four, Buffer.of(1)]), field],
    [proxyBinary(IPV4, [four, proxyField(1, rest).subarray(0, -1)]), field],
  ]
  for (const [bytes, message] of wrong) t.throws(() => readProxyHeader(bytes), { message }, message.source)
})

t.test('compares the checksum, if there is one', async (t) => {
  // Made by the reference in appendix A of RFC 9260.
  const header = proxyBinary(IPV4, [four, proxyField(3, Buffer.alloc(4))])
  const sum = reference(header)
  header.writeUInt32BE(sum, header.length - 4)
  t.match(readProxyHeader(header), { source: { port: 4711 } })
  // The addresses, and the sum behind the type and length of its field.
  for (const [first, end] of [
    [16, 28],
    [31, 35],
  ] as const) {
    for (let bit = 8 * first; bit < 8 * end; bit++) {
      const changed = Buffer.from(header)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      t.throws(() => readProxyHeader(changed), { message: /its checksum does not match/ }, `bit ${bit}`)
    }
  }
  t.equal(reference(Buffer.from('123456789')), 0xe306_9283, 'the check value of the polynomial')
})

/** CRC-32C from its definition: the remainder of a division of polynomials. */
function reference(bytes: Buffer): number {
  let remainder = 0n
  const bits = [...bytes].flatMap((byte) => Array.from({ length: 8 }, (_, bit) => BigInt((byte >> bit) & 1)))
  for (const [index, bit] of [...bits, ...Array.from({ length: 32 }, () => 0n)].entries()) {
    remainder = (remainder << 1n) | (bit ^ (index < 32 ? 1n : 0n))
    if (remainder >> 32n) remainder ^= 0x1_1edc_6f41n
  }
  const reflected = Array.from({ length: 32 }, (_, bit) => Number((remainder >> BigInt(bit)) & 1n))
  return reflected.reduce((value, bit) => value * 2 + (1 - bit), 0) >>> 0
}

t.test('reads any bytes without another error, and any cut in the same way', async (t) => {
  const start = fc.constantFrom(Buffer.alloc(0), Buffer.from('PROXY TCP4 '), proxyBinary(IPV4, []).subarray(0, 14))
  const any = fc.tuple(start, fc.uint8Array({ maxLength: 300 })).map((parts) => Buffer.concat(parts))
  const outcome = (bytes: Buffer) => {
    try {
      return JSON.stringify(readProxyHeader(bytes))
    } catch (error) {
      return String(error)
    }
  }
  fc.assert(
    fc.property(any, fc.nat(), (bytes, cut) => {
      const before = outcome(bytes.subarray(0, cut % (bytes.length + 1)))
      // What is decided stays so.
      return before === undefined || before === outcome(bytes)
    }),
  )
  t.pass()
})
