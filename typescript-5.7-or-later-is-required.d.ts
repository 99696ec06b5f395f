// For compilers before TypeScript 5.7, which cannot read the types of this package: they report that this file is not a module.
