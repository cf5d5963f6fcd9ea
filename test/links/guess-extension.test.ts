/** The extension that a file's first bytes show: only what is beyond doubt. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { guessExtension } from '../../dist/links/guess-extension.js'
import { hex } from '../fixtures/literals.ts'
import { withoutProgram } from '../fixtures/required.ts'

/** The least by which each format is known, from its specification. */
const table: [extension: string, first: Buffer, from: string][] = [
  ['.gz', hex('1f 8b 08'), 'RFC 1952, 2.3.1'],
  ['.zst', hex('28 b5 2f fd'), 'RFC 8878, 3.1.1'],
  ['.xz', hex('fd 37 7a 58 5a 00'), 'the .xz file format, 2.1.1.1'],
  ['.bz2', Buffer.from('BZh'), 'bzip2'],
  ['.zip', Buffer.from('PK\x03\x04'), 'APPNOTE.TXT, 4.3.7'],
  ['.7z', hex('37 7a bc af 27 1c'), '7zFormat.txt'],
  ['.pdf', Buffer.from('%PDF-'), 'ISO 32000, 7.5.2'],
  ['.png', hex('89 50 4e 47 0d 0a 1a 0a'), 'PNG, 5.2'],
  ['.jpg', hex('ff d8 ff'), 'ITU-T T.81, B.2.1'],
  ['.gif', Buffer.from('GIF8'), 'GIF87a and GIF89a'],
  ['.sqlite', Buffer.from('SQLite format 3\0'), 'SQLite database file format, 1.3'],
  ['.tar', Buffer.concat([Buffer.alloc(257, 'x'), Buffer.from('ustar')]), 'POSIX.1, pax'],
]

t.test('knows a format by its mark, however much follows', async (t) => {
  for (const [extension, first, from] of table) {
    t.equal(guessExtension(first), extension, from)
    t.equal(guessExtension(Buffer.concat([first, Buffer.alloc(5_000, 'x')])), extension)
  }
})

t.test('knows none by a part of its mark, or by a mark at another place', async (t) => {
  for (const [extension, first] of table) {
    t.equal(guessExtension(first.subarray(0, -1)), '', `${extension} less its last byte`)
    t.equal(guessExtension(Buffer.concat([Buffer.from(' '), first])), '', `${extension} after a space`)
  }
})

t.test('guesses nothing from text, other bytes, or none', async (t) => {
  for (const first of ['', 'x', 'hello\n', '{"a":1}', '<html>', '#!/bin/sh\n', 'ustar', '\0\0\0\0', '\x7fELF']) {
    t.equal(guessExtension(Buffer.from(first)), '', JSON.stringify(first))
  }
  t.equal(guessExtension(Buffer.alloc(512)), '')
})

t.test('knows what real programs write', { skip: withoutProgram('tar') }, async (t) => {
  const folder = t.testdir({ 'a.txt': 'hello' })
  t.equal(guessExtension(gzipSync('hello')), '.gz')
  const archive = join(folder, 'a')
  for (const [option, extension] of [
    ['-cf', '.tar'],
    ['-czf', '.gz'],
  ] as const) {
    t.equal(spawnSync('tar', ['-C', folder, option, archive, 'a.txt']).status, 0)
    t.equal(guessExtension(readFileSync(archive)), extension)
  }
})
