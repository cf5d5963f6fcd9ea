import type { Socket } from 'node:net'
import t from 'tap'
import { formatAddress, isLocalPeer, isLoopback, peerAddress, validPort } from '../../dist/net/address.js'

t.test('puts brackets around an IPv6 address and around nothing else', async (t) => {
  t.equal(formatAddress('127.0.0.1', 9000), '127.0.0.1:9000')
  t.equal(formatAddress('host.example', 1), 'host.example:1')
  t.equal(formatAddress('::1', 65535), '[::1]:65535')
})

t.test('takes every whole number of two bytes for a port', async (t) => {
  for (const port of [0, 1, 65_535]) t.equal(validPort(port), port)
  for (const port of [-1, 65_536, 1.5, Number.NaN, undefined])
    t.throws(() => validPort(port), { code: 'usage' }, String(port))
})

t.test('shows the other end of a socket', async (t) => {
  const cases: [Partial<Socket>, string][] = [
    [{ remoteAddress: '192.0.2.7', remotePort: 5 }, '192.0.2.7:5'],
    [{ remoteAddress: '::ffff:192.0.2.7', remotePort: 5 }, '192.0.2.7:5'],
    // Only a dotted IPv4 address loses the prefix.
    [{ remoteAddress: '::ffff:c000:207', remotePort: 5 }, '[::ffff:c000:207]:5'],
    [{ remoteAddress: '2001:db8::1', remotePort: 5 }, '[2001:db8::1]:5'],
    // A peer that has gone already has no address any more.
    [{}, 'unknown:0'],
  ]
  for (const [socket, shown] of cases) t.equal(peerAddress(socket as Socket), shown)
})

t.test('knows the addresses that only this machine can reach', async (t) => {
  for (const address of ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1']) t.ok(isLoopback(address), address)
  for (const address of ['::', '0.0.0.0', '192.0.2.1', '::ffff:192.0.2.1', '::2', '1.127.0.1', 'fe80::1']) {
    t.notOk(isLoopback(address), address)
  }
})

t.test('tells a peer on this machine from any other', async (t) => {
  for (const peer of ['127.0.0.1:9000', '127.9.9.9:1', '[::1]:9000']) t.ok(isLocalPeer(peer), peer)
  for (const peer of ['10.0.0.127:9000', '[::12]:9000', 'unknown:0', '[fe80::1]:9']) t.notOk(isLocalPeer(peer), peer)
})
