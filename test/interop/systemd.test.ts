/** The units in deploy/systemd, and systemd's own way to pass sockets. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { commandLine, Running, runCommand } from '../fixtures/commands.js'
import { unless } from '../fixtures/foreign-peers.js'

const service = fileURLToPath(new URL('../../deploy/systemd/tcp-recv.service', import.meta.url))

/** A port that was free a moment ago: systemd-socket-activate wants to know it in advance. */
async function freePort(): Promise<string> {
  const server = createServer().listen({ host: '127.0.0.1', port: 0 })
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return String(port)
}

const activate = unless('systemd-socket-activate', ['--version'], /systemd/, 'systemd')
t.test('is started by the first connection, on the socket of systemd', { skip: activate }, async (t) => {
  const folder = t.testdir({ file: 'content' })
  const port = await freePort()
  const line = [process.execPath, ...commandLine('tcp-recv'), '--once', '--out', join(folder, 'out')]
  const receiver = new Running(t, 'systemd-socket-activate', ['-l', `127.0.0.1:${port}`, ...line], {})
  await receiver.says('stderr', /Listening on/)
  const { code } = await runCommand(t, 'tcp-send', ['file', '127.0.0.1', port], { cwd: folder })
  t.equal(code, 0)
  t.equal((await receiver.done).code, 0)
  t.equal(readFileSync(join(folder, 'out', 'file'), 'utf8'), 'content')
})

const analyze = unless('systemd-analyze', ['--version'], /systemd/, 'systemd')
t.test('runs with almost no rights as a service', { skip: analyze }, async (t) => {
  const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', service], { encoding: 'utf8' })
  const [, exposure] = /Overall exposure level for tcp-recv\.service: ([\d.]+)/.exec(stdout) ?? []
  t.ok(Number(exposure) < 1, `the exposure is ${exposure}`)
})
