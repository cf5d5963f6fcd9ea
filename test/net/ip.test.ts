/** Addresses and networks: what is read as which, and what is within what. */
import { BlockList, isIPv4 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { isWithin, parseAddress, parseNetwork, peerNetwork } from '../../dist/net/ip.js'

/** Whether a peer of this address may connect when only these networks may. */
function lets(address: string, ...networks: string[]): boolean {
  const parsed = parseAddress(address)
  return (
    parsed !== null &&
    isWithin(
      parsed,
      networks.map((text) => parseNetwork(text)),
    )
  )
}

t.test('reads every form of an address', async (t) => {
  const loopback = { bits: 128, value: 1n }
  for (const text of ['::1', '0:0:0:0:0:0:0:1', '0000::0001', '::0.0.0.1', '::1%lo']) {
    t.strictSame(parseAddress(text), loopback, text)
  }
  const ten = { bits: 32, value: 0x0a00_0001n }
  for (const text of ['10.0.0.1', '::ffff:10.0.0.1', '::FFFF:a00:1', '0:0:0:0:0:ffff:10.0.0.1']) {
    t.strictSame(parseAddress(text), ten, text)
  }
  t.strictSame(parseAddress('1::'), { bits: 128, value: 1n << 112n })
  t.strictSame(parseAddress('::'), { bits: 128, value: 0n })
  for (const text of ['', 'host', '10.0.0', '10.0.0.256', '010.0.0.1', '1:2', ':::', '10.0.0.1%lo', 'unknown']) {
    t.equal(parseAddress(text), null, text)
  }
})

t.test('lets in what is within a network, in every form of an address', async (t) => {
  t.ok(lets('10.1.2.3', '10.0.0.0/8'))
  t.ok(lets('::ffff:10.1.2.3', '10.0.0.0/8'))
  t.ok(lets('10.1.2.3', '::ffff:10.0.0.0/104'))
  t.ok(lets('10.1.2.3', '10.1.2.3'))
  t.ok(lets('10.1.2.3', '::ffff:10.1.2.3'))
  t.ok(lets('192.0.2.1', '10.0.0.0/8', '0.0.0.0/0'))
  t.ok(lets('2001:db8:1::9', '2001:db8::/32'))
  t.ok(lets('fe80::7%eth0', 'fe80::/10'))
  t.notOk(lets('11.0.0.0', '10.0.0.0/8'))
  t.notOk(lets('10.1.2.4', '10.1.2.3'))
  t.notOk(lets('2001:db9::', '2001:db8::/32'))
  t.notOk(lets('10.1.2.3'), 'no network, no peer')
})

t.test('keeps IPv4 and IPv6 apart', async (t) => {
  t.notOk(lets('10.1.2.3', '::/0'))
  t.notOk(lets('::ffff:10.1.2.3', '::/0'))
  t.ok(lets('10.1.2.3', '::ffff:0.0.0.0/96'), 'all of IPv4, in IPv6 form')
  t.notOk(lets('::a01:203', '0.0.0.0/0'))
  t.ok(lets('::a01:203', '::/0'))
})

t.test('reads nothing that could mean more than it says', async (t) => {
  const wrong = [
    '',
    '/',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/ 8',
    '10.0.0.0/8 ',
    ' 10.0.0.0/8',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '10.0.0/8',
    '10/8',
    '010.0.0.0/8',
    '0x0a.0.0.0/8',
    '10.0.0.0/-1',
    '10.0.0.0/1e1',
    '::/129',
    '::/',
    'fe80::%eth0/10',
    'fe80::1%eth0',
    '[::1]',
    'localhost',
    '*',
    '::ffff:10.0.0.0/129',
  ]
  for (const text of wrong) {
    const message = `--allow-from must be an address or a network such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32, not "${text}"`
    t.throws(() => parseNetwork(text), { code: 'usage', exitCode: 2, message })
  }
  t.throws(() => parseNetwork('\u001b[2J'), { message: /not "\\u\{1b\}\[2J"$/ })
})

t.test('takes no address for a network', async (t) => {
  const wrong: [string, number, string][] = [
    ['10.0.0.1/8', 8, '10.0.0.1'],
    ['10.0.0.1/0', 0, '10.0.0.1'],
    ['::1/64', 64, '::1'],
    ['::ffff:10.0.0.1/104', 104, '::ffff:10.0.0.1'],
    // Its first bits are those of all IPv4 addresses, and of others.
    ['::ffff:0.0.0.0/90', 90, '::ffff:0.0.0.0'],
  ]
  for (const [text, bits, host] of wrong) {
    const message = `--allow-from ${text}: the address has bits behind its first ${bits}; for one address type ${host}`
    t.throws(() => parseNetwork(text), { code: 'usage', message })
  }
})

/** The bits of an address as text, computed from its parts: another way than that of the code. */
const bits = (parts: readonly number[], width: number) =>
  parts.map((part) => part.toString(2).padStart(width, '0')).join('')

const ipv4 = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 })
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .filter((groups) => !bits(groups, 16).startsWith(`${'0'.repeat(80)}${'1'.repeat(16)}`))

const shownV6 = (groups: readonly number[]) => groups.map((group) => group.toString(16)).join(':')

t.test('agrees with an independent computation about IPv4', async (t) => {
  const property = fc.property(
    ipv4,
    ipv4,
    fc.integer({ min: 0, max: 32 }),
    fc.boolean(),
    (one, other, prefix, isMapped) => {
      const size = 1n << BigInt(32 - prefix)
      const value = (parts: readonly number[]) => BigInt(`0b${bits(parts, 8)}`)
      const start = (value(other) / size) * size
      const base = [24n, 16n, 8n, 0n].map((shift) => (start >> shift) & 255n).join('.')
      const expected = value(one) >= start && value(one) < start + size
      const list = new BlockList()
      list.addSubnet(base, prefix, 'ipv4')
      const network = isMapped ? `::ffff:${base}/${96 + prefix}` : `${base}/${prefix}`
      for (const address of [one.join('.'), `::ffff:${one.join('.')}`]) {
        if (lets(address, network) !== expected) return false
      }
      return list.check(one.join('.'), 'ipv4') === expected
    },
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('agrees with an independent computation about IPv6', async (t) => {
  const property = fc.property(
    ipv6,
    ipv6,
    fc.integer({ min: 0, max: 128 }),
    fc.boolean(),
    (one, other, prefix, isNear) => {
      const size = 1n << BigInt(128 - prefix)
      const value = (groups: readonly number[]) => BigInt(`0b${bits(groups, 16)}`)
      const start = (value(other) / size) * size
      const groups = Array.from({ length: 8 }, (_, index) => Number((start >> BigInt(112 - 16 * index)) & 0xffffn))
      // A network that begins in the IPv4 addresses in IPv6 form is read as one of IPv4.
      fc.pre(start >> 32n !== 0xffffn)
      const address = isNear ? other : one
      const expected = value(address) >= start && value(address) < start + size
      return lets(shownV6(address), `${shownV6(groups)}/${prefix}`) === expected
    },
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('reads any text, or says that it cannot', async (t) => {
  const property = fc.property(fc.string({ maxLength: 30 }), (text) => {
    try {
      parseNetwork(text)
      return isIPv4(text.split('/')[0] as string) || text.includes(':')
    } catch (error) {
      return (error as { code?: string }).code === 'usage'
    }
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('counts all addresses that one machine can have as one peer', async (t) => {
  const network = (remoteAddress?: string) => peerNetwork(remoteAddress === undefined ? {} : { remoteAddress })
  t.equal(network('10.0.0.1'), network('::ffff:10.0.0.1'))
  t.not(network('10.0.0.1'), network('10.0.0.2'))
  t.equal(network('2001:db8:0:1::1'), network('2001:db8:0:1:ffff::9'))
  t.not(network('2001:db8:0:1::1'), network('2001:db8:0:2::1'))
  // All machines of a link share these 64 bits.
  t.not(network('fe80::1%eth0'), network('fe80::2%eth0'))
  t.equal(network('fe80::1%eth0'), network('fe80::1%eth0'))
  t.not(network('0.0.0.5'), network('::5'))
  t.equal(network(), network(''), 'a peer that has gone')
})
