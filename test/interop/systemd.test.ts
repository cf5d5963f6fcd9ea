/** The units in deploy/systemd, and systemd's own way to pass sockets. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { commandLine, Running, runCommand } from '../fixtures/commands.js'
import { unless } from '../fixtures/foreign-peers.js'
import { freePort } from '../fixtures/free-port.ts'

const service = fileURLToPath(new URL('../../deploy/systemd/tcp-recv.service', import.meta.url))

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
