/** `tcp-chat --udp` as people and scripts use it. */
import { once } from 'node:events'
import t from 'tap'
import { runCommand, start, startChat } from '../fixtures/commands.ts'
import { stranger } from '../fixtures/datagram-chat.ts'

t.test('two talk in datagrams, and Q is one of them', async (t) => {
  const bob = await startChat(t, ['--udp', '--name', 'bob'], { input: 'pipe', covered: true })
  const anna = start(t, 'tcp-chat', ['--udp', '127.0.0.1', bob.port], { input: 'pipe', covered: true })
  await anna.write('hello bob\n')
  await bob.says('stdout', /^peer-1: hello bob\n$/)
  await bob.write('hello \u001b[2Janna\n/who\n')
  await anna.says('stdout', /^hello \\u\{1b\}\[2Janna\n$/)
  await bob.says('stderr', /tcp-chat: here: .*peer-1\n/)
  await anna.write('Q\n')
  t.equal((await anna.done).code, 0)
  await bob.says('stdout', /peer-1: Q\n$/)
  await bob.write('Q\n')
  const { code, stderr } = await bob.done
  t.equal(code, 0)
  t.match(stderr, /tcp-chat: peer-1 has joined \(127\.0\.0\.1:\d+\)\n/)
})

t.test('what is said before anybody is there is said to who comes, and a room answers all', async (t) => {
  const bob = await startChat(t, ['--udp', '--room', '--json'], { input: 'pipe' })
  await bob.write('welcome\n')
  const peers = ['anna', 'carl'].map(() => start(t, 'tcp-chat', ['--udp', `127.0.0.1:${bob.port}`], { input: 'pipe' }))
  for (const [index, peer] of peers.entries()) {
    await peer.write(`I am ${index}\n`)
    await bob.says('stdout', new RegExp(`"text":"I am ${index}"`))
  }
  await peers[0]?.says('stdout', /^welcome\n$/)
  await bob.write('to all\n')
  for (const peer of peers) await peer.says('stdout', /to all\n$/)
  t.equal((await bob.kill('SIGINT')).code, 130)
})

t.test('a script that writes to a closed port fails', async (t) => {
  const { socket, port } = await stranger(t)
  const heard = once(socket, 'message')
  const args = ['--udp', '127.0.0.1', String(port)]
  t.match(await runCommand(t, 'tcp-chat', args, { input: 'hello\n' }), { code: 0, stdout: '', stderr: '' })
  t.equal(String((await heard)[0]), 'hello')
  const gone = once(socket, 'close')
  socket.close()
  await gone
  const { code, stderr } = await runCommand(t, 'tcp-chat', args, { input: 'hello\n' })
  t.equal(code, 3)
  t.match(stderr, /tcp-chat: failed: 127\.0\.0\.1:\d+ did not hear the last line: nothing listens there/)
})

t.test('a side that listens and cannot tell its port ends', async (t) => {
  const args = ['--udp', '--host', '127.0.0.1', '--port', '0', '--port-file', `${t.testdir()}/none/port`]
  t.match(await runCommand(t, 'tcp-chat', args), { code: 8, stderr: /cannot write the port/ })
})
