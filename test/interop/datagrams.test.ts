/** A chat over UDP with the server and the client of every course. */
import t from 'tap'
import { Running } from '../fixtures/commands.ts'
import { dialling, listening } from '../fixtures/datagram-chat.ts'
import { withoutProgram } from '../fixtures/required.ts'

const skip = withoutProgram('python3')

const SERVER = `
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
while True:
    data, address = server.recvfrom(1024)
    text = data.decode()
    print('client:', text, flush=True)
    if text == 'Q':
        break
    server.sendto(text.upper().encode(), address)
server.close()`

const CLIENT = `
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server = ('127.0.0.1', int(sys.argv[1]))
for text in ('hello', 'ça va', 'Q'):
    client.sendto(text.encode(), server)
    if text != 'Q':
        data, address = client.recvfrom(1024)
        print('server:', data.decode(), flush=True)
client.close()`

t.test('with a server in Python', { skip }, async (t) => {
  const server = new Running(t, 'python3', ['-u', '-c', SERVER], { env: { ...process.env, PYTHONUTF8: '1' } })
  const [, port] = await server.says('stdout', /^(\d+)\n/)
  const dialler = await dialling(t, Number(port), 'localhost')
  for (const [index, text] of ['hello', 'ça va'].entries()) {
    await dialler.side.say(text)
    await dialler.has('line', index + 1)
  }
  await dialler.side.say('Q')
  const { code, stdout } = await server.done
  t.equal(code, 0)
  t.equal(stdout, `${port}\nclient: hello\nclient: ça va\nclient: Q\n`)
  t.same(dialler.lines, [`127.0.0.1:${port}: HELLO`, `127.0.0.1:${port}: ÇA VA`])
  await dialler.side.say('anybody?')
  await dialler.has('notice')
  t.match(dialler.told, [/nothing listens there/], 'it has gone')
})

t.test('with clients in Python, one after the other', { skip }, async (t) => {
  const listener = await listening(t)
  for (const number of [1, 2]) {
    const args = ['-u', '-c', CLIENT, String(listener.side.port)]
    const client = new Running(t, 'python3', args, { env: { ...process.env, PYTHONUTF8: '1' } })
    for (const index of [1, 2]) {
      await listener.has('line', 3 * (number - 1) + index)
      await listener.side.say(`I heard ${index}`)
    }
    const { code, stdout } = await client.done
    t.equal(code, 0)
    t.equal(stdout, 'server: I heard 1\nserver: I heard 2\n')
    await listener.has('line', 3 * number)
    t.same(
      listener.lines.slice(-3),
      ['hello', 'ça va', 'Q'].map((text) => `peer-${number}: ${text}`),
    )
  }
})
