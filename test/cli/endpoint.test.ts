import fc from 'fast-check'
import t from 'tap'
import { parseArguments } from '../../dist/cli/arguments.js'
import { guessEndpoint, readEndpoint, splitEndpoint } from '../../dist/cli/endpoint.js'
import { receiveCommandLine } from '../../dist/cli/receive-command-line.js'
import { usageError } from '../fixtures/usage.js'

const endpoint = (option: 'host' | 'connect', ...args: string[]) =>
  readEndpoint(parseArguments(receiveCommandLine, args), option, option === 'connect' ? 1 : 0)

t.test('splits a host and a port, with brackets around an IPv6 address', async (t) => {
  const table: [text: string, host: string, port: string][] = [
    ['host:9000', 'host', '9000'],
    ['a-b.example.com:0', 'a-b.example.com', '0'],
    ['127.0.0.1:80', '127.0.0.1', '80'],
    ['[::1]:9000', '::1', '9000'],
    ['[fe80::1%eth0]:9', 'fe80::1%eth0', '9'],
  ]
  for (const [text, host, port] of table) t.same(splitEndpoint(text), { host, port }, text)
  const others = [
    'host',
    ':9000',
    'host:',
    'host:http',
    '::1',
    '::1:9000',
    '[::1]',
    '[host]:9',
    'a/b:9',
    'u@h:9',
    'a b:9',
  ]
  for (const text of [...others, 'tcp://h:9', 'h:9/', 'h:-1', '']) t.equal(splitEndpoint(text), null, text)
})

t.test('splits what was joined, whatever the name is', async () => {
  const name = fc.stringMatching(/^[a-z0-9.-]{1,30}$/)
  const port = fc.integer({ min: 0, max: 65_535 }).map(String)
  fc.assert(
    fc.property(fc.oneof(name, fc.ipV4()), port, (host, port) => splitEndpoint(`${host}:${port}`)?.host === host),
  )
  fc.assert(fc.property(fc.ipV6(), port, (host, port) => splitEndpoint(`[${host}]:${port}`)?.host === host))
})

t.test('takes the port from the host or from its own option, and not from both', async (t) => {
  t.same(endpoint('connect', '--connect', 'host:9000'), { host: 'host', port: 9000 })
  t.same(endpoint('connect', '--connect', 'host', '--port', '9000'), { host: 'host', port: 9000 })
  t.same(endpoint('connect', '--connect', '[::1]', '-p', '9'), { host: '::1', port: 9 })
  t.same(endpoint('host', '--host', '[::1]:0'), { host: '::1', port: 0 })
  t.same(endpoint('host', '--host', '::1'), { host: '::1', port: undefined })
  t.same(endpoint('host', '-p0'), { host: undefined, port: 0 })
  const both = '--host [::1]:0 has a port already, so --port does not go with it'
  t.equal(await usageError(() => endpoint('host', '--host', '[::1]:0', '-p', '0')), both)
})

t.test('refuses what is no host', async (t) => {
  for (const text of ['tcp://host', 'a/b', 'me@host', '[host]', '[]', 'a b', 'host:', '::1::2', '1:2:3']) {
    const message = `--connect must be a name or an address, such as host, 127.0.0.1 or ::1, not "${text}"`
    t.equal(await usageError(() => endpoint('connect', '--connect', text)), message)
  }
  t.equal(await usageError(() => endpoint('host', '--host=')), '--host is empty')
})

t.test('guesses what a word was meant to be', async (t) => {
  const folder = 'the receiver chooses the folder, with tcp-recv --out'
  const url = 'give a host, not a URL'
  const table: [word: string, meant: ReturnType<typeof guessEndpoint>][] = [
    ['9000', { port: '9000' }],
    [':9000', { port: '9000' }],
    ['host:9000', { host: 'host', port: '9000' }],
    ['[::1]', { host: '::1', port: undefined }],
    ['[::1]:9', { host: '::1', port: '9' }],
    ['[host]:9', { host: 'host', port: '9', note: 'brackets are for IPv6 addresses' }],
    ['::1', { host: '::1' }],
    ['127.0.0.1', { host: '127.0.0.1' }],
    ['fe80::1:9', { host: 'fe80::1', port: '9', note: 'an IPv6 address before a port is put in brackets' }],
    ['tcp://host:9000/x', { host: 'host', port: '9000', note: url }],
    ['http://me:x@[::1]/', { host: '::1', port: undefined, note: url }],
    ['me@host', { host: 'host', note: folder }],
    ['me@host:/tmp', { host: 'host', note: folder }],
    ['host:dir', { host: 'host', note: folder }],
    ['host:', { host: 'host' }],
    ['host', null],
    ['-', null],
    ['dir/file', null],
  ]
  for (const [word, meant] of table) t.same(guessEndpoint(word), meant, word)
  t.equal(guessEndpoint(t.testdir()), null, 'what is there is a path')
})
