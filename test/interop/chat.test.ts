/** `tcp-chat` and the chat programs of every course, ncat's chat server among them. */
import t from 'tap'
import { Running, start, startChat } from '../fixtures/commands.js'
import { unless } from '../fixtures/foreign-peers.ts'
import { freePort } from '../fixtures/ports.ts'

const withoutPython = unless('python3', ['--version'], /Python 3/, 'Python 3')
const withoutNcat = unless('ncat', ['--version'], /Ncat/, "Nmap's")

const client = `
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect(('127.0.0.1', int(sys.argv[1])))
client.send('hello from the client'.encode())
print('client got', client.recv(1024).decode().strip())
client.send(b'Q')
print('client got', repr(client.recv(1024).decode()))
client.close()`

const server = `
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(('127.0.0.1', 0))
server.listen(1)
print('port', server.getsockname()[1], flush=True)
connection, address = server.accept()
connection.send('What is your name?'.encode())
while True:
    data = connection.recv(1024).decode().strip()
    if not data or data == 'Q':
        break
    print('server got', data, flush=True)
    connection.send(('hello ' + data).encode())
connection.close()
print('server is done')`

t.test('a client of a course that speaks first, and says Q', { skip: withoutPython }, async (t) => {
  const bob = await startChat(t, ['--once'], { input: 'pipe' })
  const program = new Running(t, 'python3', ['-c', client, bob.port], {})
  await bob.says('stdout', /^hello from the client\n$/)
  await bob.write('hello client\n')
  t.match(await program.done, { code: 0, stdout: "client got hello client\nclient got ''\n" })
  t.equal((await bob.done).code, 0)
})

t.test('a server of a course that asks first, and hears Q', { skip: withoutPython }, async (t) => {
  const program = new Running(t, 'python3', ['-c', server], {})
  const [, port = ''] = await program.says('stdout', /^port (\d+)\n/)
  const anna = start(t, 'tcp-chat', ['--plain', '127.0.0.1', port], { input: 'pipe' })
  await anna.says('stdout', /^What is your name\?\n$/)
  await anna.write('anna\n')
  await anna.says('stdout', /\nhello anna\n$/)
  await anna.write('Q\n')
  t.equal((await anna.done).code, 0)
  t.match(await program.done, { code: 0, stdout: /server got anna\nserver is done\n$/ })
})

t.test('two at a chat server of ncat', { skip: withoutNcat }, async (t) => {
  const port = await freePort()
  new Running(t, 'ncat', ['--chat', '-l', '127.0.0.1', port], {})
  const both = ['anna', 'bob'].map((name) =>
    start(t, 'tcp-chat', ['--plain', '--wait', '20', '--name', name, '127.0.0.1', port], { input: 'pipe' }),
  ) as [Running, Running]
  // Each is connected once it has heard that from the server.
  for (const one of both) await one.says('stdout', /announce/)
  const [anna, bob] = both
  await anna.write('hello room\n')
  await bob.says('stdout', /<user\d+> hello room\n/)
  for (const one of both) {
    await one.write('q\n')
    t.equal((await one.done).code, 0)
  }
})
