import { Socket } from 'node:net'
import t from 'tap'
import { Gate } from '../../dist/access/gate.js'

t.test('lets in nobody who has gone already, because nobody knows who that was', async (t) => {
  const socket = new Socket()
  t.match(new Gate(['0.0.0.0/0', '::/0']).refuses(socket), { reason: 'policy' })
  t.ok(socket.destroyed)
  t.equal(new Gate(undefined).refuses(new Socket()), null)
})
