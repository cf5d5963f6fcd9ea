import fc from 'fast-check'
import stringWidth from 'string-width'
import t from 'tap'
import { around, heightOf, layOut } from '../../dist/cli/chat-layout.js'

t.test('fills the rows, and says where the cursor is', async (t) => {
  t.same(layOut('', 0, 10), { rows: [''], row: 0, column: 0 })
  t.same(layOut('abc', 3, 10), { rows: ['abc'], row: 0, column: 3 })
  t.same(layOut('abcdef', 4, 4), { rows: ['abcd', 'ef'], row: 1, column: 0 })
  t.same(layOut('abcdef', 3, 4), { rows: ['abcd', 'ef'], row: 0, column: 3 })
})

t.test('has a row for a cursor behind the last column', async (t) => {
  t.same(layOut('abcd', 4, 4), { rows: ['abcd', ''], row: 1, column: 0 })
  t.same(layOut('abcd', 3, 4), { rows: ['abcd'], row: 0, column: 3 })
})

t.test('divides nothing that a person sees as one character', async (t) => {
  t.same(layOut('a中文', 3, 4), { rows: ['a中', '文'], row: 1, column: 2 })
  t.same(layOut('abce\u0301f', 5, 4), { rows: ['abce\u0301', 'f'], row: 1, column: 0 })
  t.same(layOut('ab👩‍👩‍👧c', 2, 3), { rows: ['ab', '👩‍👩‍👧c'], row: 1, column: 0 })
  t.same(layOut('e\u0301x', 1, 4), { rows: ['e\u0301x'], row: 0, column: 0 }, 'a cursor within one stands before it')
  t.same(layOut('中', 1, 1), { rows: ['中', ''], row: 1, column: 0 }, 'not even if it is too wide')
})

t.test('shows nothing that a terminal obeys', async (t) => {
  t.same(layOut('a\tb\u0007\u202ec\ud800', 0, 10).rows, ['a b\ufffd\ufffdc\ufffd'])
})

t.test('keeps the rows around the cursor', async (t) => {
  const rows = ['a', 'b', 'c', 'd']
  t.same(around({ rows, row: 3, column: 1 }, 2), { rows: ['c', 'd'], row: 1, column: 1 })
  t.same(around({ rows, row: 0, column: 0 }, 2), { rows: ['a', 'b'], row: 0, column: 0 })
  t.same(around({ rows, row: 3, column: 1 }, 9), { rows, row: 3, column: 1 })
})

t.test('no row is wider than the terminal, and nothing is lost', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 60 })
  fc.assert(
    fc.property(text, fc.nat({ max: 80 }), fc.integer({ min: 2, max: 30 }), (text, cursor, columns) => {
      const { rows, row, column } = layOut(text, cursor, columns)
      return (
        rows.join('').length === text.length &&
        rows.every((row) => stringWidth(row) <= columns || [...new Intl.Segmenter().segment(row)].length === 1) &&
        row < rows.length &&
        column < columns &&
        heightOf(text, columns) >= rows.length - 1
      )
    }),
  )
})
