import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseArguments } from '../../dist/cli/arguments.js'
import { checkTreeOptions, readPatterns } from '../../dist/cli/exclude-options.js'
import { sendCommandLine } from '../../dist/cli/send-command-line.js'

const parse = (...args: string[]) => parseArguments(sendCommandLine, args)

t.test('reads one pattern a line, as git does, and those of the command line last', async (t) => {
  const folder = t.testdir()
  const [first, second] = [join(folder, 'first'), join(folder, 'second')]
  writeFileSync(first, '\ufeff*.log\r\n# a comment\n\n!keep.log')
  writeFileSync(second, 'a b\n')
  const args = parse('--exclude', 'last', '--exclude-from', first, '--exclude-from', second, '--exclude', '!x')
  t.strictSame(readPatterns(args), ['*.log', '# a comment', '', '!keep.log', 'a b', '', 'last', '!x'])
  t.strictSame(readPatterns(parse('a')), [])
})

t.test('names a file that cannot be read', async (t) => {
  const path = join(t.testdir(), 'missing')
  const message = `cannot read ${path}: no such file or directory (ENOENT)`
  t.throws(() => readPatterns(parse('--exclude-from', path)), { code: 'local-file', message })
})

t.test('takes the options where a directory can be sent, and nowhere else', async (t) => {
  checkTreeOptions(parse('--exclude', 'x', '--exclude-from', 'y', '--gitignore', '--follow'))
  checkTreeOptions(parse('--plain'))
  checkTreeOptions(parse('--text', 'x'))
  for (const [option, value, message] of [
    ['--exclude', '', '--exclude is empty'],
    ['--exclude-from', '', '--exclude-from is empty'],
    ['--exclude-from', '-', /^--exclude-from takes a file and does not read standard input; .* type \.\/-$/],
  ] as const) {
    t.throws(() => checkTreeOptions(parse(`${option}=${value}`)), { code: 'usage', message })
  }
  for (const option of [['--exclude', 'x'], ['--exclude-from', 'x'], ['--gitignore'], ['--follow']]) {
    const plain = `--plain sends a single file, so ${option[0]} has no use`
    t.throws(() => checkTreeOptions(parse('--plain', ...option)), { code: 'usage', message: plain })
    const text = `--text sends a message instead of a directory, so ${option[0]} has no use`
    t.throws(() => checkTreeOptions(parse('--text', 'm', ...option)), { code: 'usage', message: text })
  }
})
