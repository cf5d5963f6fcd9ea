import fc from 'fast-check'
import t from 'tap'
import { isName, type Outgoing } from '../../dist/chat/chat-protocol.js'
import { Room } from '../../dist/chat/room.js'

class Ear {
  readonly heard: string[] = []
  tell(message: Outgoing): undefined {
    this.heard.push(message.json.toString())
  }
}

t.test('names are never the same, however they are written, and always names', async (t) => {
  const wanted = fc.oneof(
    fc.stringMatching(/^[a-bA-B]{1,3}$/),
    fc.stringMatching(/^x{31,32}$/),
    fc.constant('𝒳'.repeat(16)),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(wanted, fc.boolean()), { maxLength: 40 }), (steps) => {
      const room = new Room('a', true)
      const there: Ear[] = []
      for (const [name, leaves] of steps) {
        if (leaves) room.leave(there.shift() ?? new Ear())
        const ear = new Ear()
        const got = room.join(ear, name)
        there.push(ear)
        t.equal(room.nameOf(ear), got)
        t.ok(isName(got), got)
        t.equal(new Set(room.names.map((name) => name.toLowerCase())).size, room.size + 1)
      }
    }),
  )
})

t.test('everybody but the speaker hears a line once', async (t) => {
  const room = new Room('host', true)
  const [one, two] = [new Ear(), new Ear()]
  room.join(one, 'one')
  room.join(two, 'two')
  room.say('one', 'hello', one)
  room.tellNames(two)
  room.leave(one)
  t.same(room.leave(one), undefined)
  room.say('host', 'bye')
  t.same(
    one.heard.map((line) => JSON.parse(line)),
    [{ joined: 'two' }],
  )
  t.same(
    two.heard.map((line) => JSON.parse(line)),
    [{ say: 'hello', from: 'one' }, { who: ['host', 'one', 'two'] }, { left: 'one' }, { say: 'bye', from: 'host' }],
  )
})
