import { worksWith } from "../../support/many-methods.ts";

worksWith(300);
