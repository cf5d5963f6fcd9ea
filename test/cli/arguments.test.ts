import t from 'tap'
import { type Arguments, type CommandLine, parseArguments } from '../../dist/cli/arguments.js'
import { isUnsafe } from '../../dist/text.js'
import { usageError } from '../fixtures/usage.js'

const line: CommandLine = {
  command: 'tcp-try',
  purpose: 'try things',
  usage: ['[options] PATH...', '[options] -   (standard input)'],
  options: {
    name: { value: 'NAME', describe: 'The name to offer' },
    quiet: { describe: 'Print only what went wrong' },
    accept: { value: 'TYPE', many: true, describe: 'Take only this MIME type' },
    'max-size': { value: 'SIZE', fallback: 'unlimited', describe: 'The most bytes' },
  },
  examples: [['tcp-try file.txt', 'Try a file']],
  epilogue: 'Exit status: 0 tried.',
}

async function parse(...args: string[]): Promise<Arguments> {
  const parsed = await parseArguments(line, '1.2.3', args)
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed
}

t.test('reads strings, flags, lists and positionals, in any order', async (t) => {
  const args = await parse('a', '--name', 'x', '--accept', 'image/*', 'b', '--quiet', '--accept=text/plain', 'c')
  t.same(args.positionals, ['a', 'b', 'c'])
  t.equal(args.text('name'), 'x')
  t.ok(args.flag('quiet'))
  t.same(args.list('accept'), ['image/*', 'text/plain'])
})

t.test('tells an option that was not given from an empty one', async (t) => {
  const args = await parse('--name=')
  t.equal(args.text('name'), '')
  t.equal(args.text('max-size'), undefined)
  t.notOk(args.flag('quiet'))
  t.same(args.list('accept'), [])
})

t.test('leaves every value and path as it was typed', async (t) => {
  const odd = ['007', '1e3', '0x10', '-', '', ' ', 'a.b.c', 'true', 'ü', '$(id)', '9007199254740993']
  const args = await parse('--max-size', '0x10', '--name', '007', ...odd)
  t.equal(args.text('max-size'), '0x10')
  t.equal(args.text('name'), '007')
  t.same(args.positionals, odd)
})

t.test('takes - as a value', async (t) => {
  t.equal((await parse('--name', '-')).text('name'), '-')
})

t.test('takes what follows -- as it is', async (t) => {
  const args = await parse('--quiet', '--', '--name', '-rf', '--help', '--')
  t.same(args.positionals, ['--name', '-rf', '--help', '--'])
  t.equal(args.text('name'), undefined)
})

t.test('takes a value that begins with a dash behind an equals sign', async (t) => {
  t.equal((await parse('--name=-rf')).text('name'), '-rf')
})

t.test('refuses an option that it does not know, by its name', async (t) => {
  const table: [args: string[], message: RegExp][] = [
    [['--nmae', 'x'], /^unknown option: .*nmae$/],
    [['-x'], /^unknown option: .*x$/],
    [['--no-quiet'], /^unknown option: .*no-quiet$/],
    [['--maxSize', '1'], /^unknown option: .*maxSize$/],
    [['--name.x', '1'], /^unknown option: .*name\.x$/],
    [['--one', '--two'], /one.*two/],
    [['--__proto__', 'x'], /__proto__/],
    [['--constructor=x'], /constructor/],
  ]
  for (const [args, message] of table) t.match(await usageError(() => parse(...args)), message, args.join(' '))
})

t.test('refuses an option without its value', async (t) => {
  for (const args of [['--name'], ['--name', '--quiet'], ['--name', '--', 'x'], ['a', '--accept']]) {
    t.match(await usageError(() => parse(...args)), /(name|accept)$/, args.join(' '))
  }
})

t.test('refuses an option that is given twice, unless it is a list', async (t) => {
  t.equal(await usageError(() => parse('--name', 'a', '--name', 'b')), '--name was given more than once')
  t.equal(await usageError(() => parse('--name=a', '--quiet', '--name=a')), '--name was given more than once')
  t.same((await parse('--accept', 'a/b', '--accept', 'a/b')).list('accept'), ['a/b', 'a/b'])
})

t.test('refuses a flag with a value', async (t) => {
  t.match(await usageError(() => parse('--quiet=maybe')), /quiet/)
})

t.test('does not take the path behind a flag for its value', async (t) => {
  const args = await parse('--quiet', 'false', 'b')
  t.ok(args.flag('quiet'))
  t.same(args.positionals, ['false', 'b'])
})

t.test('shows no character that could lie in a usage error', async (t) => {
  for (const args of [['--\u001b[2Jx'], ['--\u202ex=1'], ['--a\nb']]) {
    t.notOk(isUnsafe(await usageError(() => parse(...args))))
  }
})

t.test('gives the help that was asked for, before it looks at anything else', async (t) => {
  for (const args of [['--help'], ['-h'], ['a', '--help', '--name', 'x']]) {
    const help = await parseArguments(line, '1.2.3', args)
    t.type(help, 'string', args.join(' '))
    for (const part of [
      'tcp-try [options] PATH...',
      'tcp-try [options] -   (standard input)',
      '--name',
      'The name to offer',
      '--max-size',
      '(default: unlimited)',
      'tcp-try file.txt',
      'Exit status: 0 tried.',
    ]) {
      t.ok(String(help).includes(part), part)
    }
    t.notMatch(help, /\[(string|boolean|array)\]/)
  }
})

t.test('gives the version', async (t) => {
  t.equal(await parseArguments(line, '1.2.3', ['--version']), '1.2.3')
})

t.test('speaks English whatever the language of the machine is', async (t) => {
  const { LC_ALL } = process.env
  process.env.LC_ALL = 'de_DE.UTF-8'
  t.teardown(() => {
    if (LC_ALL === undefined) delete process.env.LC_ALL
    else process.env.LC_ALL = LC_ALL
  })
  t.equal(await usageError(() => parse('--name')), 'Not enough arguments following: name')
})
