/** What a stranger chooses reaches a terminal, a log or a program only escaped: every text of a peer, by either command. */
import t, { type Test } from 'tap'
import { type Running, start, startReceiver } from '../fixtures/commands.js'
import { readEvents } from '../fixtures/json-events.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, entryFrames, frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'

/** Moves the cursor, sets the clipboard, clears the screen in one byte, breaks a line, and turns text around. */
const evil = 'a\u001b[1A\r\u001b]52;c;ZXZpbA==\u0007\u009b2J\u007f\nb\u0085\u2028\u202egpj.\u2066c'
const unsafe = /(?!\n)[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u

/** Neither stream has a byte that a terminal acts upon, and each line is one of the command itself. */
function isHarmless(t: Test, running: Running, lines: RegExp): void {
  for (const name of ['stdout', 'stderr'] as const) {
    t.notMatch(running.bytes(name).toString(), unsafe, `no byte of ${name}`)
    for (const line of running[name].split('\n').slice(0, -1)) t.match(line, lines)
  }
}

t.jobs = 2
for (const json of [false, true]) {
  const options = json ? ['--json'] : []

  t.test(`of a sender, ${json ? 'as JSON' : 'in lines'}`, { buffered: true }, async (t) => {
    const receiver = await startReceiver(t, [...options, '--out', t.testdir()])
    const port = Number(receiver.port)
    const peer = await Peer.dial(t, port)
    peer.finish(
      Buffer.concat([Buffer.from('tcp-send'), frame('G', { version: 1, software: evil })]),
      ...entryFrames(evil, 'refused'),
      ...entryFrames('message', evil, { '!kind': 'message', size: Buffer.byteLength(evil) }),
      frame('H', { name: 'kind', size: 0, '!kind': evil }),
      frame('E', { bytes: 0, blake3: digest('') }),
      frame('H', { name: 'field', size: 0, [`!${evil}`]: 1 }),
      frame('E', { bytes: 0, blake3: digest('') }),
      frame('H', { name: 'aborted', size: 5 }),
      frame('A', { entry: 4, reason: evil, message: evil }),
      frame('H', { name: 'wrong', size: evil }),
    )
    await peer.closed
    for (const words of [
      evil,
      Buffer.concat([senderOpening, frame('A', { entry: null, reason: evil, message: evil })]),
    ]) {
      const peer = await Peer.dial(t, port)
      peer.finish(words)
      await peer.closed
    }
    await receiver.kill('SIGTERM')
    isHarmless(t, receiver, json ? /^\{.*\}$|^$/ : /^(tcp-recv: |a\\u\{1b\}\[1A)/)
    if (!json) return
    const events = readEvents(t, receiver.stdout)
    t.ok(
      events.some((event) => event.event === 'message' && event.text === evil),
      'a program gets it as it was',
    )
    t.ok(events.some((event) => event.event === 'refused' && event.name === evil))
  })

  t.test(`of a receiver, ${json ? 'as JSON' : 'in lines'}`, { buffered: true }, async (t) => {
    const cwd = t.testdir({ file: 'text', other: 'text' })
    const answers = [
      frame('S', { entry: 0, name: evil, bytes: 4, blake3: digest('text') }),
      frame('R', { entry: 1, reason: evil, message: evil }),
      frame('S', { entry: 0, name: 'x', bytes: 4, blake3: evil }),
    ]
    for (const opening of [receiverOpening, Buffer.from(evil)]) {
      const { port } = await listenAsPeer(t, async (peer) => {
        await peer.write(opening)
        await peer.next('F').catch(() => {})
        await peer.write(...answers)
        await peer.ended
        peer.finish()
      })
      const args = [...options, 'file', 'other', '127.0.0.1', `${port}`]
      const sender = start(t, 'tcp-send', args, { cwd })
      t.not((await sender.done).code, 0)
      isHarmless(t, sender, json ? /^\{.*\}$|^$/ : /^tcp-send: /)
    }
  })
}
