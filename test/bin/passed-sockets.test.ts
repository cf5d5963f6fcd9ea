/** A service manager listens, and passes its sockets to the command that it starts (sd_listen_fds(3)). */
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type CommandName, commandLine, Running, runCommand } from '../fixtures/commands.js'
import { only, readEvents } from '../fixtures/json-events.js'

t.jobs = 2

/** Starts a command as a service manager does: with sockets that listen, and a note that they are meant for it. */
async function activate(t: Test, name: CommandName, args: string[], addresses: string[], files: number[] = []) {
  const servers = addresses.map((host) => createServer().listen({ host, port: 0 }))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  const sockets = servers.map((server) => (server as unknown as { _handle: { fd: number } })._handle.fd)
  const note = `LISTEN_PID=$$ LISTEN_FDS=${sockets.length + files.length} LISTEN_FDNAMES=a:b`
  const line = [process.execPath, ...commandLine(name, true), ...args]
  const running = new Running(t, 'sh', ['-c', `${note} exec "$0" "$@"`, ...line], {
    stdio: ['ignore', 'pipe', 'pipe', ...sockets, ...files],
    covered: true,
  })
  for (const server of servers) server.close()
  return { running, ports: ports.map(String) }
}

t.test('receives over every socket that it is given, and passes none of them on', async (t) => {
  const out = t.testdir({})
  const program = [process.execPath, '-e', 'console.log(Object.keys(process.env).filter((key) => /^LISTEN/.test(key)))']
  const args = ['--out', out, '--count', '2', '--json', '--exec', program.map((part) => `'${part}'`).join(' ')]
  const { running, ports } = await activate(t, 'tcp-recv', args, ['127.0.0.1', '127.0.0.2'])
  for (const [index, port] of ports.entries()) {
    const host = `127.0.0.${index + 1}`
    const { code } = await runCommand(t, 'tcp-send', ['--name', `from-${index}`, '-', host, port], { input: host })
    t.equal(code, 0)
  }
  const { code, stdout, stderr } = await running.done
  t.equal(code, 0)
  const listening = readEvents(t, stdout).flatMap((event) => (event.event === 'listening' ? [String(event.port)] : []))
  t.strictSame(listening, ports)
  t.equal(readFileSync(join(out, 'from-1'), 'utf8'), '127.0.0.2')
  t.notMatch(stderr + stdout, /LISTEN_/)
})

t.test('sends over a socket that it is given', async (t) => {
  const folder = t.testdir({ file: 'content' })
  const { running, ports } = await activate(t, 'tcp-send', ['--listen', '--json', join(folder, 'file')], ['127.0.0.1'])
  const fetching = ['--connect', '127.0.0.1', '--port', ...ports, '--out', join(folder, 'out')]
  t.equal((await runCommand(t, 'tcp-recv', fetching)).code, 0)
  const { code, stdout } = await running.done
  t.equal(code, 0)
  t.match(only(readEvents(t, stdout), 'sent'), { name: 'file', size: 7 })
})

t.test('takes no second address, and no socket that was meant for another process', async (t) => {
  for (const [name, args] of [
    ['tcp-recv', ['--host', '::1']],
    ['tcp-send', ['--listen', '--port', '0', 'file']],
  ] as const) {
    const { running } = await activate(t, name, [...args], ['127.0.0.1'])
    const { code, stderr } = await running.done
    t.equal(code, 2)
    t.match(stderr, /passed the sockets to listen on, so --(host|port) does not go with them/)
  }
  const env = { ...process.env, LISTEN_PID: '1', LISTEN_FDS: '1' }
  const { code, stderr } = await runCommand(t, 'tcp-recv', [], { env, covered: true })
  t.equal(code, 2)
  t.match(stderr, /--port is needed/)
})

t.test('listens on nothing if one of the sockets is none', async (t) => {
  const file = openSync(fileURLToPath(import.meta.url), 'r')
  const { running } = await activate(t, 'tcp-recv', ['--out', t.testdir({})], ['127.0.0.1'], [file])
  closeSync(file)
  const { code, stderr } = await running.done
  t.equal(code, 3)
  t.match(stderr, /cannot listen on the socket passed as descriptor 4: /)
})

t.test('listens on no socket but of TCP', async (t) => {
  const unix = createServer().listen(join(t.testdir({ out: {} }), 'socket'))
  await once(unix, 'listening')
  const { fd } = (unix as unknown as { _handle: { fd: number } })._handle
  const { running } = await activate(t, 'tcp-recv', ['--out', join(t.testdirName, 'out')], ['127.0.0.1'], [fd])
  unix.close()
  const { code, stderr } = await running.done
  t.equal(code, 3)
  t.match(stderr, /cannot listen on the socket passed as descriptor 4: it is no TCP socket\n/)
})
