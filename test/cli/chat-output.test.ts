import t from 'tap'
import { ChatOutput } from '../../dist/cli/chat-output.js'

t.test('each event has its line for people, in which nobody else can write', async (t) => {
  const calls = t.capture(process.stderr, 'write', () => true)
  const output = new ChatOutput({ json: false, quiet: false, abort: () => {} }, true)
  output.onEvent({ event: 'joined', name: 'peer-1', peer: '127.0.0.1:9', plain: true, key: 'a\u001b' })
  output.onEvent({ event: 'joined', name: '1.2.3.4:9', peer: '1.2.3.4:9' })
  output.onEvent({ event: 'joined', name: 'bob', you: 'anna-2', room: true })
  output.onEvent({ event: 'left', name: 'carl', reason: 'broken', message: 'gone\n' })
  output.onEvent({ event: 'listening', address: '::', port: 1, words: 'a-b-c-d' })
  output.onEvent({ event: 'dropped', lines: 1 })
  output.onEvent({ event: 'dropped', lines: 2 })
  output.onEvent({ event: 'dropped', lines: 3, from: '1.2.3.4:9' })
  output.onEvent({ event: 'notice', message: 'a\u0007b' })
  output.onEvent({ event: 'warning', reason: 'key', message: 'it is gone' })
  output.onEvent({ event: 'done', linesIn: 0, linesOut: 0, seconds: 0, exitCode: 0 })
  calls.restore()
  const lines = calls().map(({ args }) => String(args[0]).replace(/^[\d-]+ [\d:]+ /, ''))
  t.match(lines.splice(3 + 1, 2), [/listening on \[::\]:1/, /a-b-c-d/])
  t.strictSame(lines, [
    'tcp-chat: peer-1 has joined (127.0.0.1:9, key a\\u{1b}, no tcp-chat)\n',
    'tcp-chat: 1.2.3.4:9 has joined\n',
    'tcp-chat: in the room of bob; you are anna-2\n',
    'tcp-chat: carl has gone: gone\\u{a}\n',
    'tcp-chat: (1 line left out here, because nobody read them)\n',
    'tcp-chat: (2 lines left out here, because nobody read them)\n',
    'tcp-chat: (3 lines left out here, because too many came)\n',
    'tcp-chat: a\\u{7}b\n',
    'tcp-chat: warning: it is gone\n',
  ])
})

t.test('at a terminal, a partner cannot write what looks like a notice or a typed line', async (t) => {
  for (const isTTY of [true, false]) {
    t.intercept(process.stdout, 'isTTY', { value: isTTY })
    const calls = t.capture(process.stdout, 'write', () => true)
    const output = new ChatOutput({ json: false, quiet: false, abort: () => {} }, false)
    const texts = ['hello', 'a > b', '> I agree', ' \u200b> I agree', 'TCP-chat: anna has left']
    for (const text of texts) output.onEvent({ event: 'line', from: 'eve', text })
    calls.restore()
    const lines = calls().map(({ args }) => String(args[0]))
    const named = ['hello', 'a > b', 'eve: > I agree', 'eve:  \u200b> I agree', 'eve: TCP-chat: anna has left']
    t.strictSame(
      lines,
      (isTTY ? named : texts).map((text) => `${text}\n`),
    )
  }
})
