import { PassThrough } from 'node:stream'
import type { ReadStream, WriteStream } from 'node:tty'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createChatScreen } from '../../dist/cli/chat-screen.js'
import { replaceProperty } from '../fixtures/replace-property.ts'
import { Terminal } from '../fixtures/terminal.ts'
import { settle } from '../fixtures/turns.ts'

const [CTRL_C, CTRL_D, CTRL_L, CTRL_Z] = ['\u0003', '\u0004', '\u000c', '\u001a']
const [UP, LEFT, HOME] = ['\u001b[A', '\u001b[D', '\u001b[H']

/** The keyboard of a terminal. */
class Keyboard extends PassThrough {
  readonly isTTY = true
  isRaw = false

  setRawMode(isRaw: boolean): void {
    this.isRaw = isRaw
  }
}

/** A chat at a terminal, and what its person has done there. */
function chat(t: Test, columns = 80, rows = 24) {
  const terminal = new Terminal(columns, rows)
  const keyboard = new Keyboard()
  const done: string[] = []
  const screen = createChatScreen(keyboard as unknown as ReadStream, terminal.stream as unknown as WriteStream, {
    line: (text) => done.push(text),
    end: () => done.push('(end)'),
    interrupt: () => done.push('(interrupt)'),
  })
  t.teardown(() => screen.close())
  const type = async (text: string) => {
    keyboard.write(text)
    await settle()
  }
  return { terminal, keyboard, done, screen, type }
}

/** The text of a row or a line that is as long as it says. */
const long = (length: number) => 'abcdefghij'.repeat(length).slice(0, length)

for (const columns of [80, 40, 20]) {
  t.test(`keeps a line that is typed below those that come, at ${columns} columns`, async (t) => {
    const { terminal, screen, type } = chat(t, columns)
    await type('hel')
    screen.show('anna: one')
    screen.show(long(200))
    await type('lo')
    t.same(terminal.lines, ['anna: one', long(200), '> hello'])
  })

  t.test(`keeps a line that is longer than ${columns} columns`, async (t) => {
    const { terminal, screen, type, done } = chat(t, columns)
    for (let place = 0; place < 200; place += 7) {
      await type(long(200).slice(place, place + 7))
      screen.show(`line ${place}`)
      await settle()
    }
    const typed = terminal.screen.slice(-Math.ceil(202 / columns))
    t.equal(typed.join(''), `> ${long(200)}`)
    t.equal(terminal.screen.length, 29 + typed.length, 'and nothing is left of earlier drawings')
    await type('\r')
    screen.show('last')
    await settle()
    t.same(terminal.lines.slice(-3), [`> ${long(200)}`, 'last', '>'], 'which is one line when it was sent')
    t.same(done, [long(200)])
  })
}

t.test('gives what was typed, as it was typed', async (t) => {
  const { terminal, done, type } = chat(t)
  await type('one\rtwo\nthree\r\n\rpas')
  t.same(done, ['one', 'two', 'three', ''])
  await type('ted\r')
  t.same(terminal.lines, ['> one', '> two', '> three', '>', '> pasted', '>'])
})

t.test('takes many lines that are pasted at once, and one that is very long', async (t) => {
  const { terminal, done, screen, type } = chat(t, 40)
  const lines = Array.from({ length: 300 }, (_, index) => `line ${index}`)
  const pasted = type(lines.join('\n'))
  screen.show('meanwhile')
  await pasted
  t.same(done, lines.slice(0, -1))
  t.equal(terminal.lines.at(-1), '> line 299')
  t.equal(terminal.lines.length, 301)
  await type(`\r${'x'.repeat(20_000)}\r`)
  t.equal(done.at(-1)?.length, 20_000)
})

t.test('shows the rows around the cursor of a line that is higher than the terminal', async (t) => {
  const { terminal, screen, type } = chat(t, 20, 6)
  await type(long(300))
  screen.show('anna: hello')
  await settle()
  t.same(
    terminal.screen,
    [
      'anna: hello',
      ...Array(4)
        .fill('jabcdefghijabcdefghi')
        .map((_, index) => long(400).slice(218 + 20 * index, 238 + 20 * index)),
      'ij',
    ].map((row) => row),
    'its end',
  )
  await type(HOME)
  t.equal(terminal.screen[1], `> ${long(18)}`)
  await type('\r')
  t.same(terminal.lines, ['anna: hello', `> ${long(300)}`, '>'])
})

t.test('knows how wide characters are', async (t) => {
  for (const text of ['你好，世界', 'cafe\u0301s e\u0301e\u0301', '🎉🎉🎉', '中a中a中a中']) {
    const { terminal, screen, done, type } = chat(t, 9)
    for (const character of text) {
      await type(character)
      screen.show('.')
    }
    await settle()
    t.equal(terminal.screen.join('').replaceAll('.', ''), `> ${text}`, text)
    const [last] = [...new Intl.Segmenter().segment(text)].slice(-1)
    await type(LEFT.repeat([...(last?.segment ?? '')].length))
    t.equal(terminal.underCursor, last?.segment, `the cursor moves in ${text}`)
    await type('\r')
    t.same(done, [text])
  }
})

t.test('nothing tears if the terminal thinks that an emoji is wider', async (t) => {
  const { terminal, screen, type } = chat(t, 20)
  for (const word of ['👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦', '👍🏽👍🏽👍🏽👍🏽', '❤️❤️❤️']) {
    await type(word)
    screen.show('anna: hello')
    await settle()
  }
  await type('\r')
  t.same(terminal.lines, [...Array(3).fill('anna: hello'), '> 👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👍🏽👍🏽👍🏽👍🏽❤️❤️❤️', '>'])
})

t.test('shows nothing of what is typed that the terminal would obey', async (t) => {
  const { terminal, done, type } = chat(t)
  await type('a\t\u202eb\u0085\r')
  t.same(terminal.lines, ['> a \\u{202e}b\\u{85}', '>'])
  t.same(done, ['a\t\u202eb\u0085'])
  t.notMatch(terminal.written, /[\t\u202e\u0085]/)
})

t.test('edits the line, and finds earlier ones', async (t) => {
  const { terminal, done, screen, type } = chat(t)
  await type('first\rsecond\r')
  await type(`${UP}${UP}${LEFT}${LEFT}`)
  t.equal(terminal.lines.at(-1), '> first')
  t.equal(terminal.underCursor, 's')
  screen.show('anna: hello')
  await settle()
  t.equal(terminal.underCursor, 's')
  await type('x\u007fX\r')
  t.same(done, ['first', 'second', 'firXst'])
})

t.test('draws the line anew after a resize', async (t) => {
  const { terminal, screen, type } = chat(t, 80)
  screen.show('anna: hello')
  await type(long(150))
  const line = () => terminal.screen.join('').replaceAll('.', '')
  for (const columns of [40, 20, 33, 79, 80, 120, 25]) {
    terminal.resize(columns)
    await settle()
    t.equal(line(), `anna: hello> ${long(150)}`, `${columns} columns`)
    screen.show('.')
    await settle()
    t.equal(line(), `anna: hello> ${long(150)}`, `${columns} columns`)
  }
})

t.test('takes 80 columns and 24 rows where the terminal does not know its size', async (t) => {
  const { terminal, screen, type } = chat(t, 0, 0)
  await type(long(100))
  screen.show('hello')
  await settle()
  t.same(terminal.screen, ['hello', `> ${long(78)}`, long(100).slice(78)])
})

t.test('scrolls at the bottom of the terminal', async (t) => {
  const { terminal, screen, type } = chat(t, 20, 5)
  const lines = Array.from({ length: 20 }, (_, index) => `bob: number ${index}`)
  for (const line of lines) {
    await type('xyz')
    screen.show(line)
    await settle()
  }
  t.same(terminal.lines.slice(0, 20), lines)
  t.equal(terminal.screen.slice(20).join(''), `> ${'xyz'.repeat(20)}`)
})

t.test('has another prompt if it is told', async (t) => {
  const { terminal, screen, type } = chat(t)
  await type('hello')
  screen.prompt('bob> ')
  await settle()
  t.same(terminal.screen, ['bob> hello'])
})

t.test('clears the terminal for Ctrl-L', async (t) => {
  const { terminal, screen, type } = chat(t)
  screen.show('anna: hello')
  await type(long(100))
  await type(CTRL_L)
  t.same(terminal.screen.join(''), `> ${long(100)}`)
})

t.test('reports every Ctrl-C, and ends by Ctrl-D', async (t) => {
  const { terminal, keyboard, done, screen, type } = chat(t)
  await type(`half a line${CTRL_C}${CTRL_C}`)
  t.same(done, ['(interrupt)', '(interrupt)'])
  await type(CTRL_D)
  t.equal(done.length, 2, 'where something is typed, Ctrl-D deletes')
  t.ok(keyboard.isRaw)
  await type(`\r${CTRL_D}`)
  t.same(done.slice(2), ['half a line', '(end)'])
  t.notOk(keyboard.isRaw)
  t.same(terminal.lines, ['> half a line'], 'the prompt has gone')
  screen.show('goodbye')
  screen.prompt('bob> ')
  await settle()
  t.same(terminal.lines, ['> half a line', 'goodbye'], 'and lines still come')
  screen.close()
  await type('more\r')
  t.equal(done.length, 4)
})

t.test('ends with its terminal', async (t) => {
  for (const isError of [false, true]) {
    const { keyboard, done, terminal } = chat(t)
    terminal.emit('error', new Error('EIO'))
    if (isError) keyboard.destroy(new Error('EIO'))
    else keyboard.end()
    await settle()
    t.same(done, ['(end)'])
  }
})

t.test('gives the terminal back, and what was shown at once with it', async (t) => {
  const listeners = process.listenerCount('SIGCONT')
  const { terminal, keyboard, done, screen, type } = chat(t)
  await type('half')
  screen.show('last words')
  screen.close()
  screen.close()
  t.same(terminal.screen, ['last words'])
  t.notOk(keyboard.isRaw)
  t.ok(terminal.isWrapping)
  t.equal(keyboard.listenerCount('keypress'), 0)
  t.equal(terminal.listenerCount('resize'), 0)
  t.equal(process.listenerCount('SIGCONT'), listeners)
  await settle()
  t.same(done, [])
})

t.test('stops for Ctrl-Z without its line on the terminal, and draws it when it goes on', async (t) => {
  const { terminal, keyboard, screen, type } = chat(t)
  const stopped: unknown[] = []
  const kill = (...args: unknown[]) => {
    stopped.push(...args)
    t.same(terminal.screen, ['anna: hello'])
    t.notOk(keyboard.isRaw)
  }
  replaceProperty(t, process, 'kill', { value: kill })
  screen.show('anna: hello')
  await type(`half${CTRL_Z}`)
  t.same(stopped, [0, 'SIGTSTP'], 'the whole group, as the terminal does it')
  t.ok(keyboard.isRaw)
  t.same(terminal.screen, ['anna: hello', '> half'])
  keyboard.setRawMode(false)
  process.emit('SIGCONT')
  t.ok(keyboard.isRaw, 'the shell may have changed it')
  await settle()
  t.same(terminal.screen, ['anna: hello', '> half'])
})

t.test('leaves everything to a terminal without cursor movements', async (t) => {
  const before = process.env.TERM
  process.env.TERM = 'dumb'
  const { terminal, keyboard, done, screen, type } = chat(t)
  if (before === undefined) delete process.env.TERM
  else process.env.TERM = before
  screen.prompt('bob> ')
  await type('hello\n')
  screen.show('anna: hello')
  t.equal(terminal.written, 'anna: hello\n')
  t.notOk(keyboard.isRaw)
  t.same(done, ['hello'])
  keyboard.end()
  await settle()
  t.same(done, ['hello', '(end)'])
})

t.test('ends a dumb terminal without a word if it is told', async (t) => {
  const before = process.env.TERM
  process.env.TERM = 'dumb'
  const { done, screen } = chat(t)
  if (before === undefined) delete process.env.TERM
  else process.env.TERM = before
  screen.close()
  await settle()
  t.same(done, [])
})

t.test('loses nothing and tears nothing, whatever happens in whatever order', async (t) => {
  const characters = fc.constantFrom('a', 'b', ' b', '中', 'e\u0301', '🎉')
  const step = fc.oneof(
    fc.record({ typed: fc.string({ unit: characters, minLength: 1, maxLength: 9 }) }),
    fc.record({ shown: fc.string({ unit: characters, maxLength: 40 }) }),
    fc.record({ key: fc.constantFrom(LEFT, HOME, '\u001b[C', '\u001b[F') }),
    fc.record({ columns: fc.integer({ min: 18, max: 70 }) }),
    fc.constant({ enter: true }),
  )
  const test = async (steps: unknown[]) => {
    const { terminal, screen, type, done } = chat(t, 40)
    const expected: string[] = []
    for (const step of steps as Record<string, never>[]) {
      if ('typed' in step) await type(step.typed)
      else if ('key' in step) await type(step.key)
      else if ('enter' in step) {
        await type('\r')
        expected.push(`> ${done.at(-1)}`)
      } else if ('columns' in step) terminal.resize(step.columns)
      else {
        screen.show(`bob: ${step.shown}`)
        expected.push(`bob: ${step.shown}`)
      }
      await settle(1)
    }
    await settle()
    screen.close()
    t.same(
      terminal.lines,
      expected.map((line) => line.trimEnd()),
    )
  }
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 15 }), test), { numRuns: 60 })
})
