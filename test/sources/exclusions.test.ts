/** What of a directory is not sent, by the rules of gitignore(5). git itself is asked whether they are kept. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { Directory } from '../../dist/disk/directory.js'
import { Exclusions } from '../../dist/sources/exclusions.js'
import { TreeWalk } from '../../dist/sources/tree-walk.js'
import { withoutProgram } from '../fixtures/required.ts'
import { makeTree, type Tree } from '../fixtures/tree.ts'

/** The paths of the files in the list that would be sent. */
function sent(exclusions: Exclusions, paths: readonly string[]): string[] {
  return paths.filter((path) => {
    const parts = path.split('/')
    // Nothing in an excluded directory is looked at.
    return parts.every((_, index) => {
      const isLast = index === parts.length - 1
      return !exclusions.has(parts.slice(0, index + 1).join('/'), !isLast)
    })
  })
}

t.test('excludes nothing without a pattern', async (t) => {
  t.equal(new Exclusions([]).has('a', false), false)
  t.equal(new Exclusions(['# a comment', '']).has('a', false), false)
})

t.test('excludes by the patterns of the user, as from a file at the top', async (t) => {
  const paths = ['a.log', 'keep.log', 'src/b.log', 'build/x', 'src/build/y', 'src/top', 'top', 'src/build.txt', 'A.LOG']
  const rows: [string[], string[]][] = [
    [['*.log'], ['build/x', 'src/build/y', 'src/top', 'top', 'src/build.txt', 'A.LOG']],
    [
      ['*.log', '!keep.log'],
      ['keep.log', 'build/x', 'src/build/y', 'src/top', 'top', 'src/build.txt', 'A.LOG'],
    ],
    [
      ['/top', '/build/'],
      ['a.log', 'keep.log', 'src/b.log', 'src/build/y', 'src/top', 'src/build.txt', 'A.LOG'],
    ],
    [['build/'], ['a.log', 'keep.log', 'src/b.log', 'src/top', 'top', 'src/build.txt', 'A.LOG']],
    [
      ['src/*', '!src/build/'],
      ['a.log', 'keep.log', 'build/x', 'src/build/y', 'top', 'A.LOG'],
    ],
    [['**/build'], ['a.log', 'keep.log', 'src/b.log', 'src/top', 'top', 'src/build.txt', 'A.LOG']],
    [
      ['src', '!src/top'],
      ['a.log', 'keep.log', 'build/x', 'top', 'A.LOG'],
    ],
    [['top/'], paths],
  ]
  for (const [patterns, expected] of rows)
    t.strictSame(sent(new Exclusions(patterns), paths), expected, patterns.join())
})

t.test('lets an inner file decide before an outer one, and the user before both', async (t) => {
  const exclusions = new Exclusions(['*.secret', '!always.log'])
  exclusions.enter('', '*.log\n*.tmp\n')
  exclusions.enter('d', '\ufeff!*.log\r\n!*.secret\r\n')
  const paths = ['d/a.log', 'd/a.tmp', 'd/a.secret', 'd/always.log', 'd/other']
  const kept = paths.filter((path) => !exclusions.has(path, false))
  t.strictSame(kept, ['d/a.log', 'd/always.log', 'd/other'])
  exclusions.leave('d/inner')
  t.equal(exclusions.has('d/a.log', false), false, 'the end of a directory without such a file changes nothing')
  exclusions.leave('d')
  t.equal(exclusions.has('e.log', false), true)
})

t.test('includes what is in a directory that was included again', async (t) => {
  for (const name of ['build', 'a*b', 'q?', '[x]', 'back\\slash', '!bang', 'sp ace ', 'li\nne']) {
    const exclusions = new Exclusions([])
    exclusions.enter('', '/d/*\n!/d/in/\n*/in/*\n')
    exclusions.enter('d', '')
    exclusions.enter('d/in', '!*/\n')
    t.equal(exclusions.has(`d/in/${name}`, true), false, name)
    t.equal(exclusions.has(`d/in/${name}/file`, false), false, name)
    t.equal(exclusions.has('d/in/other', false), true)
  }
})

const word = fc.constantFrom('a', 'b', 'c')
const path = fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const pattern = fc
  .record({
    negated: fc.boolean(),
    start: fc.constantFrom('', '', '/', '**/'),
    middle: fc.oneof(path, fc.constantFrom('*', 'a*', '?', '[ab]', 'a/*', 'a/**', '**/b', 'a/**/c')),
    end: fc.constantFrom('', '', '/'),
  })
  .map(({ negated, start, middle, end }) => `${negated ? '!' : ''}${start}${middle}${end}`)
const patterns = fc.array(pattern, { minLength: 1, maxLength: 4 }).map((lines) => `${lines.join('\n')}\n`)

/** What git takes for files that are not excluded. */
function accordingToGit(folder: string): string[] {
  const args = ['-c', 'core.excludesFile=', 'ls-files', '--others', '--exclude-per-directory=.gitignore', '-z']
  const { stdout, stderr, status } = spawnSync('git', args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
    .split('\0')
    .filter((name) => name !== '')
    .sort()
}

async function accordingToUs(folder: string): Promise<string[]> {
  const options = { exclude: ['/.git/'], gitignore: true, follow: false }
  const { tree } = await TreeWalk.start(await Directory.open(folder), folder, options)
  const files: string[] = []
  for (let item = await tree.next(); item; item = await tree.next()) if (item.kind === 'file') files.push(item.path)
  return files.sort()
}

t.test('does what git does', { skip: withoutProgram('git') }, async (t) => {
  const base = t.testdir()
  let number = 0
  const run = async (files: string[], ignores: [string, string][]) => {
    const tree: Tree = {}
    // A path that is both a file and a directory is a directory.
    for (const file of files) if (!files.some((other) => other.startsWith(`${file}/`))) tree[file] = ''
    const folder = makeTree(join(base, String(number++)), tree)
    spawnSync('git', ['init', '-q'], { cwd: folder })
    const directories = new Set([
      '.',
      ...files.flatMap((file) => (file.split('/').length > 1 ? [file.replace(/\/[^/]*$/, '')] : [])),
    ])
    for (const [directory, text] of ignores) {
      if (directories.has(directory)) writeFileSync(join(folder, directory, '.gitignore'), text)
    }
    t.strictSame(await accordingToUs(folder), accordingToGit(folder), JSON.stringify({ files, ignores }))
  }
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(path, { minLength: 2, maxLength: 8 }),
      fc.array(fc.tuple(fc.oneof(fc.constant('.'), path), patterns), { minLength: 1, maxLength: 3 }),
      run,
    ),
    {
      numRuns: 60,
      examples: [
        [
          ['a/b/c'],
          [
            ['.', 'b/\n'],
            ['a', '!b/\n'],
          ],
        ],
      ],
    },
  )
})
