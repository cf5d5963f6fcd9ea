/** Several receivers on one folder behind HAProxy, with the configuration in deploy/haproxy. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type Receiver, Running, runCommand, startReceiver } from '../fixtures/commands.ts'
import { freePort } from '../fixtures/free-port.ts'
import { withoutProgram } from '../fixtures/required.ts'

const SENDERS = 12

const skip = withoutProgram('haproxy', '-v')
t.test('every sender ends well, whichever receivers come and go', { skip }, async (t) => {
  const root = t.testdir({ out: {} })
  const at = (name: string) => join(root, name)
  // HAProxy connects from an address of its own, so that it and the senders can be told from each other.
  const args = ['--out', at('out'), '--proxy-from', '127.0.0.9', '--allow-from', '127.0.0.1', '--json']
  const start = async () => await startReceiver(t, args)
  const receivers = await Promise.all([start(), start(), start()])
  const port = await freePort()
  const shipped = fileURLToPath(new URL('../../deploy/haproxy/haproxy.cfg', import.meta.url))
  const config = readFileSync(shipped, 'utf8')
    .replace('bind :9000', `bind 127.0.0.1:${port}`)
    .replaceAll(/^( +server .*) 192\.0\.2\.(\d)(\d):9000$/gm, (_, server, _ten, number) => {
      return `${server} 127.0.0.1:${receivers[number - 1]?.port} source 127.0.0.9`
    })
    // All senders of this test have one address.
    .replace('balance source', 'balance roundrobin')
  writeFileSync(at('haproxy.cfg'), config)
  const balancer = new Running(t, 'haproxy', ['-f', at('haproxy.cfg')], {})

  const names = Array.from({ length: SENDERS }, (_, index) => `file-${index}`)
  const content = (name: string) => Buffer.alloc(2_000_000, `content of ${name} `)
  for (const name of names) writeFileSync(at(name), content(name))
  const send = (name: string, ...options: string[]) =>
    runCommand(t, 'tcp-send', ['--wait', '20', '--retry', '5', ...options, at(name), '127.0.0.1', port])

  const first = send('file-0')
  t.match(await first, { code: 0 })
  // A limit, so that they are all under way when one of the receivers is killed.
  const sending = names.slice(1).map((name) => send(name, '--limit', '2M'))
  const busy = await Promise.any(receivers.map((receiver) => connectedTo(receiver, 2)))
  await busy.kill('SIGKILL')
  for (const outcome of await Promise.all(sending)) t.match(outcome, { code: 0 }, outcome.stderr)

  const stored = readdirSync(at('out')).filter((name) => name.startsWith('file'))
  t.strictSame(stored.sort(), names.sort(), 'nothing is there twice')
  for (const name of names) t.ok(readFileSync(join(at('out'), name)).equals(content(name)), name)
  const said = receivers.map(({ stdout }) => stdout).join('')
  t.match(said, /"event":"connected","transfer":1,"peer":"127\.0\.0\.1:\d+"/)
  t.notMatch(said, '127.0.0.9', 'its checks are not reported')
  for (const receiver of receivers) if (receiver !== busy) t.match(await receiver.kill('SIGTERM'), { code: 143 })
  await balancer.kill('SIGTERM')
})

/** The receiver, as soon as it has so many connections. */
async function connectedTo(receiver: Receiver, count: number): Promise<Receiver> {
  const look = () => (receiver.stdout.split('"connected"').length > count ? [receiver] : null)
  const [found] = await receiver.until(`${count} connections`, look)
  return found as Receiver
}
