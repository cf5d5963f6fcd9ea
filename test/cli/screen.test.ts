import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Screen } from '../../dist/cli/screen.js'
import { Terminal } from '../fixtures/terminal.js'

/** A screen on a fake terminal, which is given back in the end. */
function screenOn(t: Test, columns?: number): { terminal: Terminal; screen: Screen } {
  const terminal = new Terminal(columns)
  const screen = new Screen(terminal.stream)
  t.teardown(() => screen.show([]))
  return { terminal, screen }
}

t.test('keeps its block below the lines, however long they are', async (t) => {
  const { terminal, screen } = screenOn(t, 20)
  screen.line('before')
  screen.show(['one', 'two'])
  screen.line('exactly as wide: 20.')
  screen.line('x'.repeat(50))
  const [wide, rest] = ['x'.repeat(20), 'x'.repeat(10)]
  t.same(terminal.screen, ['before', 'exactly as wide: 20.', wide, wide, rest, 'one', 'two'])
})

t.test('does not draw again what is there already, but for a resize', async (t) => {
  const { terminal, screen } = screenOn(t)
  screen.show(['one', 'two'])
  const { written } = terminal
  screen.show(['one', 'two'])
  t.equal(terminal.written, written)
  terminal.resize(30)
  screen.show(['one', 'two'])
  t.not(terminal.written, written)
  t.same(terminal.screen, ['one', 'two'])
})

t.test('replaces a block by a shorter one, and leaves nothing of it', async (t) => {
  const { terminal, screen } = screenOn(t)
  screen.show(['one is long', 'two', 'three'])
  screen.show(['1'])
  t.same(terminal.screen, ['1'])
  screen.show([])
  t.same(terminal.screen, [])
})

t.test('lets another stream of the same terminal write above the block', async (t) => {
  const { terminal, screen } = screenOn(t)
  const write = (text: string) => screen.writeAbove(() => void terminal.write(text))
  write('first\n')
  screen.show(['one', 'two'])
  write('second\n')
  t.same(terminal.screen, ['first', 'second', 'one', 'two'])
})

t.test('takes its block away while something else writes', async (t) => {
  const { terminal, screen } = screenOn(t)
  screen.show(['one', 'two'])
  screen.pause()
  t.same(terminal.screen, [])
  t.ok(terminal.isCursorShown)
  terminal.write('deploying')
  screen.show(['one', '2'])
  terminal.write(' ...\n')
  screen.line('a line')
  t.same(terminal.screen, ['deploying ...', 'a line'])
  screen.resume()
  t.same(terminal.screen, ['deploying ...', 'a line', 'one', '2'])
  screen.resume()
  t.same(terminal.screen, ['deploying ...', 'a line', 'one', '2'], 'and only once')
})

t.test('clears its block wherever a resize has left it', async (t) => {
  for (const columns of [200, 79, 40, 30, 7]) {
    const { terminal, screen } = screenOn(t)
    const line = 'a-line-that-is-wider-than-a-narrow-terminal'
    screen.line(line)
    screen.show(['='.repeat(79), '-'.repeat(79), '#'.repeat(79)])
    terminal.resize(columns)
    screen.show(['one', 'two'])
    screen.line('next')
    t.equal(terminal.screen.slice(0, -3).join(''), line, `${columns} columns`)
    t.same(terminal.screen.slice(-3), ['next', 'one', 'two'], `${columns} columns`)
  }
})

t.test('does not wrap a row that was made for a wider terminal', async (t) => {
  const { terminal, screen } = screenOn(t, 10)
  screen.show(['='.repeat(15), '-'.repeat(15)])
  screen.show(['one', 'two'])
  t.same(terminal.screen, ['one', 'two'])
  t.ok(terminal.isWrapping)
})

t.test('shows what was printed last, whatever came before', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '='), minLength: 1, maxLength: 60 })
  const step = fc.oneof(
    fc.record({ line: text }),
    fc.record({ block: fc.array(text, { maxLength: 4 }) }),
    fc.record({ columns: fc.integer({ min: 5, max: 70 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const terminal = new Terminal(40)
      const screen = new Screen(terminal.stream)
      let lines = ''
      for (const step of steps) {
        if ('line' in step) {
          screen.line(step.line)
          lines += step.line
        } else if ('block' in step) screen.show(step.block.map((row) => row.slice(0, terminal.columns - 1)))
        else terminal.resize(step.columns)
      }
      screen.show(['bar'])
      const before = terminal.screen.slice(0, -1).join('')
      const shown = terminal.screen.at(-1)
      screen.show([])
      return before === lines && shown === 'bar'
    }),
  )
})

t.test('hides the cursor only while there is a block', async (t) => {
  const { terminal, screen } = screenOn(t)
  screen.line('text')
  t.notMatch(terminal.written, '\u001b')
  screen.show(['one'])
  t.notOk(terminal.isCursorShown)
  screen.show([])
  t.ok(terminal.isCursorShown)
})

t.test('gives the cursor back where the process ends without another word', async (t) => {
  const before = process.listeners('exit')
  const { terminal, screen } = screenOn(t)
  screen.show(['one'])
  screen.show(['two'])
  const added = process.listeners('exit').filter((listener) => !before.includes(listener))
  t.equal(added.length, 1)
  for (const listener of added) listener.call(process, 130)
  t.ok(terminal.isCursorShown)
  t.same(terminal.screen, [])
  t.strictSame(process.listeners('exit'), before, 'and leaves nothing behind')
})

t.test('knows the size of the terminal, and what to take where it has none', async (t) => {
  const { terminal, screen } = screenOn(t, 0)
  t.equal(screen.columns, 80)
  t.equal(screen.maxRows, 23)
  terminal.rows = 0
  t.equal(screen.maxRows, 23)
  terminal.rows = 1
  t.equal(screen.maxRows, 1)
  let times = 0
  screen.onResize(() => times++)
  terminal.resize(50)
  t.equal(times, 1)
  t.equal(screen.columns, 50)
})
