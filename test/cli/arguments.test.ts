import t from 'tap'
import { type Arguments, parseArguments } from '../../dist/cli/arguments.js'
import type { CommandLine } from '../../dist/cli/command-line.js'
import { isUnsafe } from '../../dist/text.js'
import { usageError } from '../fixtures/usage.js'

const line: CommandLine = {
  command: 'tcp-try',
  purpose: 'try things',
  usage: ['[options] PATH...', '[options] -   (standard input)'],
  options: {
    name: { value: 'NAME', describe: 'The name to offer' },
    quiet: { short: 'q', describe: 'Print only what went wrong' },
    port: { short: 'p', value: 'PORT', describe: 'The port' },
    accept: { value: 'TYPE', many: true, describe: 'Take only this MIME type' },
    'max-size': { value: 'SIZE', fallback: 'unlimited', describe: 'The most bytes' },
    help: { short: 'h', describe: 'Show this help' },
    version: { short: 'V', describe: 'Show the version' },
  },
  examples: [['tcp-try file.txt', 'Try a file']],
  epilogue: 'Exit status: 0 tried.',
}

async function parse(...args: string[]): Promise<Arguments> {
  return parseArguments(line, args)
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
  for (const value of ['-rf', '-1', '-q', '--', '--port', '"a"', "'a'"]) {
    t.equal((await parse(`--name=${value}`)).text('name'), value)
    t.equal((await parse('-q', `-p=${value}`, '--', value)).text('port'), value)
  }
})

t.test('takes letters for options, alone and in groups, with their values as people write them', async (t) => {
  for (const args of [['-p', '9'], ['-p9'], ['-p=9'], ['-qp', '9'], ['-qp9'], ['--port=9'], ['-q', '-q', '-p9']]) {
    t.equal((await parse(...args)).text('port'), '9', args.join(' '))
  }
  t.ok((await parse('-qp', '9')).flag('quiet'))
  t.equal((await parse('-p', '')).text('port'), '')
})

t.test('refuses an option that it does not know as it was typed, and says what was meant', async (t) => {
  const list = 'tcp-try --help lists them'
  const table: [args: string[], message: string][] = [
    [['--nmae', 'x'], 'unknown option --nmae; did you mean --name?'],
    [['--nmae=x'], 'unknown option --nmae; did you mean --name?'],
    [['-x'], `unknown option -x; ${list}`],
    [['-1'], `unknown option -1; ${list}`],
    [['-qx'], `unknown option -x in "-qx"; ${list}`],
    [['-qx=5'], `unknown option -x in "-qx=5"; ${list}`],
    [['-q-x'], `unknown option -q-x; ${list}`],
    [['-q5'], `unknown option -5 in "-q5"; ${list}`],
    [['-q-'], `unknown option -q-; ${list}`],
    [['-q.x'], `unknown option -q.x; ${list}`],
    [['-12'], `unknown option -1 in "-12"; ${list}`],
    [['-port', '9'], 'unknown option -port; did you mean --port?'],
    [['-port=9'], 'unknown option -port in "-port=9"; did you mean --port?'],
    [['-name!'], `unknown option -n; ${list}`],
    [['---port', '9'], 'unknown option ---port; did you mean --port?'],
    [['---'], `unknown option ---; ${list}`],
    [['--no-quiet'], `unknown option --no-quiet; ${list}`],
    [['--maxSize', '1'], 'unknown option --maxSize; did you mean --max-size?'],
    [['--no-quiet=1', 'x'], `unknown option --no-quiet; ${list}`],
    [['--_=x'], `unknown option --_; ${list}`],
    [['--$0', 'x'], `unknown option --$0; ${list}`],
    [['--name-'], 'unknown option --name-; did you mean --name?'],
    [['--name.x', '1'], 'unknown option --name.x; did you mean --name?'],
    [['--one', '--two'], `unknown option --one; ${list}`],
    [['--__proto__', 'x'], `unknown option --__proto__; ${list}`],
    [['--constructor=x'], `unknown option --constructor; ${list}`],
    [['--=x'], `unknown option --=x; ${list}`],
    [['\u2014name', 'x'], '"\u2014name" begins with a typographic dash; type --name'],
    [['\u2013-name=x'], '"\u2013-name=x" begins with a typographic dash; type --name'],
  ]
  for (const [args, message] of table) t.equal(await usageError(() => parse(...args)), message)
  t.same((await parse('--', '\u2014name', '\u2013')).positionals, ['\u2014name', '\u2013'])
  t.same((await parse('\u2014dash')).positionals, ['\u2014dash'], 'there is no such option')
})

t.test('says how a path is written that begins with a dash', async (t) => {
  const folder = t.testdir({ '-a b': '' })
  const before = process.cwd()
  process.chdir(folder)
  t.teardown(() => process.chdir(before))
  t.match(await usageError(() => parse('-a b')), "; type './-a b' for the file")
})

t.test('refuses an option without its value', async (t) => {
  const dash = 'one that begins with a dash is joined with ='
  const table: [args: string[], message: string][] = [
    [['--name'], '--name needs a value: --name NAME'],
    [['--name', '--quiet'], '--name needs a value: --name NAME'],
    [['--name', '--port=9'], '--name needs a value: --name NAME'],
    [['--name', '--', 'x'], '--name needs a value: --name NAME'],
    [['a', '--accept'], '--accept needs a value: --accept TYPE'],
    [['-p', '-q'], '-p needs a value: -p PORT'],
    [['-qp'], '-p needs a value: -p PORT'],
    [['--name', '-port'], '--name needs a value: --name NAME'],
    [['-p='], 'the value of -p is joined with =: -p=PORT'],
    [['-pq'], 'the value of -p is joined with =: -p=q'],
    [['-qp/a b'], "the value of -p is joined with =: -p='/a b'"],
    [['-p', '-x'], `--port needs a value: --port PORT; ${dash}: --port=-x`],
    [['--port', '-1'], `--port needs a value: --port PORT; ${dash}: --port=-1`],
    [['--name', '-r f'], `--name needs a value: --name NAME; ${dash}: --name='-r f'`],
  ]
  for (const [args, message] of table) t.equal(await usageError(() => parse(...args)), message)
})

t.test('gives the options again as words for a shell, for a hint', async (t) => {
  const args = await parse('-q', 'path', '-p9', '--name', "it's", '--accept=a/*', '--accept', 'b/c')
  const accepted = ['--accept', "'a/*'", '--accept', 'b/c']
  t.same(args.typed(), ['--quiet', '--port', '9', '--name', "'it'\\''s'", ...accepted])
  t.same(args.typed('port', 'name', 'quiet'), accepted)
})

t.test('refuses an option that is given twice, unless it is a list', async (t) => {
  t.equal(await usageError(() => parse('--name', 'a', '--name', 'b')), '--name was given more than once')
  t.equal(await usageError(() => parse('--name=a', '--quiet', '--name=a')), '--name was given more than once')
  t.same((await parse('--accept', 'a/b', '--accept', 'a/b')).list('accept'), ['a/b', 'a/b'])
})

t.test('refuses a flag with a value', async (t) => {
  t.equal(await usageError(() => parse('--quiet=maybe')), '--quiet takes no value; type --quiet alone')
  t.equal(await usageError(() => parse('--quiet=true')), '--quiet takes no value; type --quiet alone')
  t.equal(await usageError(() => parse('-q=5')), '-q takes no value; type -q alone')
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

t.test('takes --help and --version for all that was typed, whatever else is wrong', async (t) => {
  for (const [name, args] of [
    ['help', ['--help']],
    ['help', ['-h']],
    ['help', ['--nmae', '--help', '--name']],
    ['help', ['-port', '-qh', '-pq']],
    ['help', ['--help=now']],
    ['version', ['a', '-V']],
    ['version', ['--version', '--port', '--port']],
  ] as const) {
    const parsed = await parse(...args)
    t.ok(parsed.flag(name), args.join(' '))
    t.same(parsed.positionals, [])
  }
  t.equal(await usageError(() => parse('-hq5')), 'unknown option -5 in "-hq5"; tcp-try --help lists them')
  t.same((await parse('help', 'version')).positionals, ['help', 'version'])
})
