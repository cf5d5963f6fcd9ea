/** A server with a certificate that the process trusts is still nobody: only the key counts. */
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { runCommand } from '../fixtures/commands.ts'
import { key } from '../fixtures/keys.ts'
import { damagedPort } from '../fixtures/proxy.ts'
import { withoutProgram } from '../fixtures/required.ts'

const skip = withoutProgram('openssl', 'version')

/** A certificate for this machine, which is its own authority. */
function certificate(root: string): { key: Buffer; cert: Buffer; file: string } {
  const [secret, file] = [join(root, 'tls-key.pem'), join(root, 'authority.pem')]
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', ...kind, ...name, '-keyout', secret, '-out', file], { stdio: 'ignore' })
  return { key: readFileSync(secret), cert: readFileSync(file), file }
}

/** A TLS server with that certificate, and all that clients have sent: on the wire, and inside TLS. */
async function rogue(t: Test, root: string) {
  const { file, ...identity } = certificate(root)
  const seen = { wire: [] as Buffer[], inside: [] as Buffer[], errors: [] as string[] }
  const server = createServer(identity, (socket) => {
    socket.on('data', (bytes) => seen.inside.push(bytes)).on('error', () => {})
    // As a receiver without TLS would greet, so that nobody waits for it.
    socket.write('tcp-recvG\0\0\0\x0d{"version":1}')
  })
  server.on('tlsClientError', ({ code = '' }: NodeJS.ErrnoException) => seen.errors.push(code))
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => server.close())
  const change = (direction: string, bytes: Buffer) => {
    if (direction === 'to-receiver') seen.wire.push(Buffer.from(bytes))
    return bytes
  }
  const port = await damagedPort(t, (server.address() as AddressInfo).port, { change })
  return { seen, file, port }
}

t.test('gets no byte of the protocol, for a sender and a receiver', { skip }, async (t) => {
  const root = t.testdir({ 'secret-name.txt': 'the secret text' })
  writeFileSync(join(root, 'key'), key, { mode: 0o600 })
  const { seen, file, port } = await rogue(t, root)
  // Without the key, programs of this user trust it.
  const script = `import { connect } from 'node:tls'
    const socket = connect({ host: '127.0.0.1', port: ${port} }, () => {
      console.log(socket.authorized)
      socket.destroy()
    })`
  for (const trust of [
    { NODE_EXTRA_CA_CERTS: file },
    { NODE_EXTRA_CA_CERTS: file, NODE_TLS_REJECT_UNAUTHORIZED: '0' },
  ]) {
    const env = { ...process.env, ...trust }
    const options = { cwd: root, env }
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], options)
    t.equal(stdout, 'true\n', 'the certificate is trusted here')
    seen.inside.length = 0
    seen.wire.length = 0
    const [sent, received] = await Promise.all([
      runCommand(t, 'tcp-send', ['--key-file', 'key', 'secret-name.txt', '127.0.0.1', `${port}`], options),
      runCommand(t, 'tcp-recv', ['--key-file', 'key', '--connect', `127.0.0.1:${port}`, '--out', 'out'], options),
    ])
    for (const { code, stderr } of [sent, received]) t.match({ code, stderr }, { code: 4, stderr: /key/ })
    t.strictSame(seen.inside, [], 'no byte came inside TLS')
    const wire = Buffer.concat(seen.wire).toString('latin1')
    for (const secret of ['secret-name', 'the secret text', 'tcp-send', 'tcp-recv', key]) t.notOk(wire.includes(secret))
    t.match(wire, /tcp-transfer\/1 sender/)
    t.match(wire, /tcp-transfer\/1 receiver/)
  }
})
